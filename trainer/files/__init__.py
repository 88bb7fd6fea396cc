"""Files and folders of training runs that stay consistent if the process is killed."""

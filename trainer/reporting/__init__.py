"""The report of a run: an HTML page with its quality, its data and its costs."""

"""A folder for the inputs that shipped code reads from files, one for each process."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path


@cache
def scratch() -> Path:
    """The folder; it is removed when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="hangtag-fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder

"""Whether files have changed since they were read."""

import os
from pathlib import Path

# Of each file: device, inode, size, and the times of the last change of its content and its attributes.
FileStamp = tuple[tuple[int, ...], ...]


def stamp_of(*paths: Path) -> FileStamp:
    """What differs once a file was written, replaced, or made readable; links are followed.

    Raises:
        OSError: a file is missing.
    """
    found = map(os.stat, paths)
    return tuple((each.st_dev, each.st_ino, each.st_size, each.st_mtime_ns, each.st_ctime_ns) for each in found)

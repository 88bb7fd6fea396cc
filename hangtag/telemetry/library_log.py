"""Fewer lines of the Kafka client: while brokers are away it logs several a second."""

import logging
import time

_LIBRARY = "kafka"
_EVERY_S = 60.0
# Said about the library's own event loop; nobody who runs Hangtag can act on it.
_DROPPED = "kafka.net.selector"


class FoldedLibraryLog(logging.Filter):
    """Lets one line a minute of each part of the library through, with the number of those it held back."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter`. A handler calls it under its lock."""
        parts = record.name.split(".")
        if parts[0] != _LIBRARY:
            return True
        if record.name == _DROPPED and record.levelno < logging.ERROR:
            return False
        part = ".".join(parts[:2])
        now = time.monotonic()
        since, held_back = self._seen.get(part, (float("-inf"), 0))
        if now - since < _EVERY_S:
            self._seen[part] = since, held_back + 1
            return False
        self._seen[part] = now, 0
        if held_back:
            record.msg, record.args = f"{record.getMessage()} ({held_back} lines of {part} held back before)", None
        return True

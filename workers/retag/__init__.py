"""Products are tagged again by the release in use, beside live traffic and after it."""

from hangtag.workers.retag.live import LivePace
from hangtag.workers.retag.retagging import Counts, Retagging
from hangtag.workers.retag.selection import Selection, SelectionError
from hangtag.workers.retag.settling import settle
from hangtag.workers.retag.source import Chunk, ReleaseTags, SourceText, TextSource
from hangtag.workers.retag.undoing import UndoCounts, Undoing

__all__ = [
    "Chunk",
    "Counts",
    "LivePace",
    "ReleaseTags",
    "Retagging",
    "Selection",
    "SelectionError",
    "SourceText",
    "TextSource",
    "UndoCounts",
    "Undoing",
    "settle",
]

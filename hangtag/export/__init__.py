"""The newest tags of every product as a file, at a stated place in `products.tagged`."""

from hangtag.export.errors import ExportError
from hangtag.export.file import open_file, suffix_of
from hangtag.export.newest import NewestEntries
from hangtag.export.row import row_of

__all__ = ["ExportError", "NewestEntries", "open_file", "row_of", "suffix_of"]

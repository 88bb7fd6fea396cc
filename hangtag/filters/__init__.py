"""Filters of products that a person can type: `class:[boots,shoes] AND color:red NOT audience:men`."""

from hangtag.filters.errors import FilterError
from hangtag.filters.parse import MAX_CHARS, MAX_TAGS, parse_filter
from hangtag.filters.words import Vocabulary
from hangtag.filters.write import format_filter

__all__ = ["MAX_CHARS", "MAX_TAGS", "FilterError", "Vocabulary", "format_filter", "parse_filter"]

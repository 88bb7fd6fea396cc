"""Filters on the command line."""

import re
from collections.abc import Mapping, Sequence

from hangtag.cli.errors import CommandError
from hangtag.filters import FilterError, parse_filter
from hangtag.v1 import tags_pb2

# `class:full body wear` in one argument: the shell took the quotes away.
_WITH_SPACES = re.compile(r'([a-z][a-z0-9_]*):([^\[\]",:\\]*\s[^\[\]",:\\]*)')
_KEYWORDS = re.compile(r"\b(AND|OR|NOT)\b")
_WIDTH = 100


def joined(words: Sequence[str]) -> str:
    """Arguments as one filter. An argument that is one tag whose value has spaces is written with quotes."""
    return " ".join(_quoted(word) for word in words)


def query_of(words: str = "", *, with_review: bool = False) -> tags_pb2.TagQuery | None:
    """The query of a filter, in which tags in band REVIEW count too or not; names are left to the server.

    None: it asks for nothing.

    Raises:
        CommandError: it cannot be read.
    """
    text = _quoted(words)
    try:
        query = parse_filter(text) if text else tags_pb2.TagQuery()
    except FilterError as error:
        raise CommandError(filter_message(str(error), text, {"position": str(error.position)})) from error
    if with_review:
        query.min_band = tags_pb2.BAND_REVIEW
    return query if query.ByteSize() else None


def filter_message(message: str, text: str, metadata: Mapping[str, str]) -> str:
    """The error of a filter, with a mark below the character at `position`."""
    position = metadata.get("position", "")
    # Something that is not on one line, or of another server, is not marked.
    if not position.isdigit() or not text.isprintable() or int(position) > len(text) + 1:
        return message
    at = int(position) - 1
    start = max(0, at - _WIDTH // 2)
    part = text[start : start + _WIDTH]
    return f"{message}\n  {part}\n  {' ' * (at - start)}^"


def _quoted(word: str) -> str:
    match = _WITH_SPACES.fullmatch(word)
    if match is None or _KEYWORDS.search(match[2]):
        return word
    return f'{match[1]}:"{match[2]}"'

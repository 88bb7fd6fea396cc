"""Writing a query as a filter."""

import re
from collections.abc import Iterable

from hangtag.filters.parse import KEYWORDS, MAX_CHARS, MINUS
from hangtag.v1 import tags_pb2

# Needs neither quotes nor backslashes.
_PLAIN = re.compile(r'[^\s\[\],:"\\]+')


def format_filter(query: tags_pb2.TagQuery) -> str:
    """A filter that `parse_filter` reads as this query, in one line.

    Raises:
        ValueError: the query asks for a band, or has an empty group or name, which a filter cannot say, or is too long.
    """
    if query.min_band not in (tags_pb2.BAND_UNSPECIFIED, tags_pb2.BAND_AUTO):
        msg = "a filter cannot say min_band; send the query as it is"
        raise ValueError(msg)
    terms = [_tag(tag) for tag in query.all_of]
    terms += [_group(group.tags) for group in query.any_of]
    terms += [f"NOT {_tag(tag)}" for tag in query.none_of]
    text = " AND ".join(terms)
    if len(text) > MAX_CHARS:
        msg = f"as a filter the query has {len(text)} characters, the maximum is {MAX_CHARS}; send the query as it is"
        raise ValueError(msg)
    return text


def _group(tags: Iterable[tags_pb2.TagName]) -> str:
    tags = list(tags)
    if not tags:
        msg = "a group is empty; leave it out"
        raise ValueError(msg)
    if len({tag.facet for tag in tags}) == 1:
        return f"{_word(tags[0].facet)}:[{','.join(_word(tag.value) for tag in tags)}]"
    return f"[{','.join(map(_tag, tags))}]"


def _tag(tag: tags_pb2.TagName) -> str:
    return f"{_word(tag.facet)}:{_word(tag.value)}"


def _word(text: str) -> str:
    if not text:
        msg = "a facet or a value is empty"
        raise ValueError(msg)
    if _PLAIN.fullmatch(text) and text not in KEYWORDS and not text.startswith(MINUS):
        return text
    escaped = re.sub(r'(["\\])', r"\\\1", text)
    return f'"{escaped}"'

"""What the text and the filter of a search mean."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from hangtag.filters import FilterError, Vocabulary, parse_filter
from hangtag.server.errors import CallError, Reason
from hangtag.server.search.checks import check_text
from hangtag.server.search.understood import Understood, facets_above, understand
from hangtag.server.suggester import Suggester
from hangtag.server.suggestion import suggestion_message
from hangtag.tags.schema import TagSchema
from hangtag.v1 import tags_pb2

if TYPE_CHECKING:
    # Importing it loads numpy.
    from hangtag.bundle import Bundle


class Read(NamedTuple):
    """A text as the model reads it, and how its tags are used."""

    suggested: tags_pb2.SuggestTagsResponse
    understood: Understood


class _OfSchema(NamedTuple):
    schema: TagSchema
    vocabulary: Vocabulary
    above: dict[str, frozenset[str]]


class Texts:
    """Reads texts and filters with the bundle that is in use. On the event loop."""

    def __init__(self, suggester: Suggester, bundle: "Callable[[], Bundle]") -> None:
        self._suggester = suggester
        self._bundle = bundle
        self._known: _OfSchema | None = None

    async def read(self, text: str, deadline_s: float) -> Read:
        """How a text is understood.

        Raises:
            CallError: INVALID_ARGUMENT, or what the suggester raises.
        """
        asked = check_text(text)
        (suggestion,) = await self._suggester.suggest([asked], deadline_s=deadline_s)
        suggested = suggestion_message(suggestion.found, asked.kind, suggestion.bundle_version)
        return Read(suggested, understand(suggested, self._of_schema().above))

    def filter(self, text: str) -> tags_pb2.TagQuery:
        """The query of a filter that a person typed.

        Raises:
            CallError: INVALID_ARGUMENT; its metadata have the `position` of the character, counted from 1.
        """
        try:
            return parse_filter(text, self._of_schema().vocabulary)
        except FilterError as error:
            position = {"field": "filter", "position": str(error.position)}
            raise CallError(Reason.INVALID_FILTER, f"filter, {error}", metadata=position) from error

    def facet_count(self) -> int:
        """How many facets there are."""
        return len(self._of_schema().schema.facets)

    def _of_schema(self) -> _OfSchema:
        schema = self._bundle().schema
        if self._known is None or self._known.schema is not schema:
            self._known = _OfSchema(schema, Vocabulary.of(schema), facets_above(schema))
        return self._known


def text_fields(read: Read | None) -> dict[str, object]:
    """The fields of a reply that say how the text was understood."""
    if read is None:
        return {}
    suggested, understood = read
    return {
        "used": understood.used,
        "no_tags_reason": understood.no_tags_reason,
        "spans": suggested.spans,
        "understood_text": suggested.understood_text,
        "language": suggested.language,
        "bundle_version": suggested.bundle_version,
    }

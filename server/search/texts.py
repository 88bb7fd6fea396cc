"""What the text and the filter of a search mean."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from hangtag.filters import FilterError, Vocabulary, parse_filter
from hangtag.server.errors import CallError, Reason
from hangtag.server.search.checks import check_text
from hangtag.server.search.understood import Understood, facets_above, understand
from hangtag.server.suggester import Suggester
from hangtag.server.suggestion import suggestion_message
from hangtag.tags.naming import Naming, naming_of
from hangtag.tags.tag import facet_of, value_of
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.v1 import tags_pb2

if TYPE_CHECKING:
    # Importing it loads numpy.
    from hangtag.bundle import Bundle


class Read(NamedTuple):
    """A text as the model reads it, and how its tags are used."""

    suggested: tags_pb2.SuggestTagsResponse
    understood: Understood


class _OfBundle(NamedTuple):
    bundle: "Bundle"
    vocabulary: Vocabulary
    above: dict[str, frozenset[str]]
    attributes: frozenset[str]
    naming: Naming


class Texts:
    """Reads texts and filters with the bundle that is in use. On the event loop."""

    def __init__(self, suggester: Suggester, bundle: "Callable[[], Bundle]") -> None:
        self._suggester = suggester
        self._bundle = bundle
        self._known: _OfBundle | None = None

    async def read(self, text: str, deadline_s: float) -> Read:
        """How a text is understood.

        Raises:
            CallError: INVALID_ARGUMENT, or what the suggester raises.
        """
        asked = check_text(text)
        (suggestion,) = await self._suggester.suggest([asked], deadline_s=deadline_s)
        suggested = suggestion_message(suggestion.found, asked.kind, suggestion.bundle_version)
        known = self._of_bundle()
        if suggested.no_tags_reason == tags_pb2.NO_TAGS_REASON_TOO_SHORT:
            # Too short to say what the thing is, but what it should be like: all that is red is what "red" asks for.
            suggested.tags.extend(_named(known.naming, asked.text, suggested.none_of))
        return Read(suggested, understand(suggested, known.above, known.attributes))

    def filter(self, text: str) -> tags_pb2.TagQuery:
        """The query of a filter that a person typed.

        Raises:
            CallError: INVALID_ARGUMENT; its metadata have the `position` of the character, counted from 1.
        """
        try:
            return parse_filter(text, self._of_bundle().vocabulary)
        except FilterError as error:
            position = {"field": "filter", "position": str(error.position)}
            raise CallError(Reason.INVALID_FILTER, f"filter, {error}", metadata=position) from error

    def facet_count(self) -> int:
        """How many facets there are."""
        return len(self._of_bundle().above)

    def _of_bundle(self) -> _OfBundle:
        bundle = self._bundle()
        if self._known is None or self._known.bundle is not bundle:
            schema = bundle.schema
            thresholds = bundle.thresholds.entry(TextKind.QUERY)
            naming = naming_of(schema, thresholds.words)
            attributes = frozenset(thresholds.attributes)
            self._known = _OfBundle(bundle, Vocabulary.of(schema), facets_above(schema), attributes, naming)
        return self._known


def _named(naming: Naming, text: ProductText, none_of: Sequence[tags_pb2.TagName]) -> Iterator[tags_pb2.Tag]:
    """The tags that a text has a word for, without a confidence."""
    unwanted = {f"{each.facet}:{each.value}" for each in none_of}
    words = naming.words_by_tag(text)
    for tag in sorted(naming.named(text) - unwanted):
        yield tags_pb2.Tag(facet=facet_of(tag), value=value_of(tag), supported_by=words[tag][:1], is_named=True)


def tell(reply: tags_pb2.FindProductsResponse | tags_pb2.ClarifyResponse, read: Read | None) -> None:
    """Say in a reply how the text was understood, if there was one."""
    if read is None:
        return
    suggested, understood = read
    reply.used.extend(understood.used)
    reply.no_tags_reason = understood.no_tags_reason
    reply.spans.extend(suggested.spans)
    reply.understood_text = suggested.understood_text
    reply.language = suggested.language
    reply.bundle_version = suggested.bundle_version

"""`Clarify`: the question that divides the products that are left."""

from collections.abc import Callable

from hangtag.server.search.checks import MAX_FACETS, check_clarify
from hangtag.server.search.forward import Forward
from hangtag.server.search.texts import Texts, tell
from hangtag.server.search.understood import narrowed
from hangtag.tags.schema import TagSchema
from hangtag.v1 import tags_pb2

# Nothing is asked about products: the text is not about one, or cannot be read.
_NO_QUESTION = frozenset({tags_pb2.NO_TAGS_REASON_OFF_TOPIC, tags_pb2.NO_TAGS_REASON_LANGUAGE_NOT_SUPPORTED})
# The question about a facet in a language.
Question = Callable[[str, str, TagSchema], str]


class Clarify:
    """Answers `Clarify`. The index chooses facet and values; words come from `question` and the schema's labels."""

    def __init__(self, texts: Texts, forward: Forward, schema: Callable[[], TagSchema], question: Question) -> None:
        self._texts = texts
        self._forward = forward
        self._schema = schema
        self._question = question

    async def __call__(self, request: tags_pb2.ClarifyRequest, deadline_s: float) -> bytes:
        """The question, or why there is none."""
        check_clarify(request)
        passed_on = tags_pb2.ClarifyRequest()
        passed_on.CopyFrom(request)
        passed_on.ClearField("text")
        passed_on.ClearField("language")
        if not request.facets:
            passed_on.facets.extend(facet.name for facet in self._schema().facets[:MAX_FACETS])
        read = None
        if request.text:
            read = await self._texts.read(request.text, deadline_s)
            if read.understood.no_tags_reason in _NO_QUESTION:
                nothing = tags_pb2.ClarifyResponse(end=tags_pb2.CLARIFY_END_NO_PRODUCTS)
                tell(nothing, read)
                return nothing.SerializeToString()
            passed_on.query.CopyFrom(narrowed(read.understood, passed_on.query))
        # Every facet is counted.
        work = 1 + self._texts.facet_count()
        reply = tags_pb2.ClarifyResponse.FromString(await self._forward("Clarify", passed_on, work, deadline_s))
        tell(reply, read)
        if reply.facet:
            schema = self._schema()
            reply.question = self._question(reply.facet, request.language, schema)
            for choice in reply.choices:
                choice.label = schema.label(f"{reply.facet}:{choice.value}")
        return reply.SerializeToString()

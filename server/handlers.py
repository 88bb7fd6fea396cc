"""The methods that run on the event loop: each checks its request and builds the reply as serialised bytes."""

from hangtag.records import no_tags_reason, tag_message
from hangtag.server.checks import KINDS, check_suggest
from hangtag.server.suggester import Suggester
from hangtag.v1 import tags_pb2

_KIND_VALUES = {kind: value for value, kind in KINDS.items()}


class Handlers:
    """The methods of `TagService` that are no look-ups. They raise `CallError`."""

    def __init__(self, suggester: Suggester) -> None:
        self._suggester = suggester

    async def suggest_tags(self, request: tags_pb2.SuggestTagsRequest) -> bytes:
        """The tags of a text."""
        text, kind = check_suggest(request)
        tags = await self._suggester.suggest(text, kind)
        reply = tags_pb2.SuggestTagsResponse(
            tags=map(tag_message, tags.tags),
            review=map(tag_message, tags.review),
            bundle_version=self._suggester.bundle_version,
            kind=_KIND_VALUES[kind],
            no_tags_reason=no_tags_reason(tags),
        )
        return reply.SerializeToString()

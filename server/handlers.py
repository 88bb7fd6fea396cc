"""The methods that run on the event loop: each checks its request and builds the reply as serialised bytes."""

import asyncio

from hangtag.server.admission import TEXTS, Limit
from hangtag.server.narrow import filter_of, narrow
from hangtag.server.suggest_checks import check_count, check_suggest, check_suggest_batch
from hangtag.server.suggester import Suggester
from hangtag.server.suggestion import Asked, Suggestion, suggestion_message
from hangtag.tagger.stage_thread import StageThread
from hangtag.text.product_text import Field
from hangtag.v1 import tags_pb2

# Of requests whose texts wait to be cleaned: some tenths of a second of work, and little memory.
_MAX_UNCLEANED_BYTES = 8 * 1024 * 1024
# Names of the fields in a request.
_FIELDS = {Field.TITLE: "text", Field.DESCRIPTION: "description", Field.MERCHANT_CATEGORY: "merchant_category"}


class Handlers:
    """The methods of `TagService` that are no look-ups. They raise `CallError`.

    `deadline_s` is a time of the monotonic clock.
    """

    def __init__(self, suggester: Suggester) -> None:
        self._suggester = suggester
        # Cleaning a hundred long texts takes longer than other calls should wait.
        self._thread = StageThread("suggest-batches")
        self._uncleaned = Limit(_MAX_UNCLEANED_BYTES, "bytes of texts", TEXTS)

    async def suggest_tags(self, request: tags_pb2.SuggestTagsRequest, deadline_s: float) -> bytes:
        """The tags of a text."""
        asked = check_suggest(request)
        (suggestion,) = await self._suggester.suggest([asked], deadline_s=deadline_s)
        return _reply(request, asked, suggestion).SerializeToString()

    async def batch_suggest_tags(self, request: tags_pb2.BatchSuggestTagsRequest, deadline_s: float) -> bytes:
        """The tags of up to 100 texts, in the order of the request."""
        check_count(request)
        loop = asyncio.get_running_loop()
        with self._uncleaned.during(request.ByteSize()):
            texts = await loop.run_in_executor(self._thread, check_suggest_batch, request)
        suggestions = await self._suggester.suggest(texts, is_single=False, deadline_s=deadline_s)
        return await loop.run_in_executor(self._thread, _batch_reply, request, texts, suggestions)

    def close(self) -> None:
        """Release the thread."""
        self._thread.shutdown(wait=False)


def _reply(request: tags_pb2.SuggestTagsRequest, asked: Asked, suggestion: Suggestion) -> tags_pb2.SuggestTagsResponse:
    not_read = asked.fields.not_read(suggestion.left_out)
    truncated = (name for field, name in _FIELDS.items() if field in not_read)
    reply = suggestion_message(suggestion.found, asked.kind, suggestion.bundle_version, truncated)
    if (tag_filter := filter_of(request)) is not None:
        narrow(reply, tag_filter)
    return reply


def _batch_reply(request: tags_pb2.BatchSuggestTagsRequest, texts: list[Asked], suggestions: list[Suggestion]) -> bytes:
    replies = map(_reply, request.texts, texts, suggestions)
    return tags_pb2.BatchSuggestTagsResponse(suggestions=replies).SerializeToString()

"""The methods of `TagService`: how each call is read, and what answers it."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from hangtag.server.calls import Method
from hangtag.server.handlers import Handlers
from hangtag.server.look_up import Parse, batch_parser, parse_get
from hangtag.server.suggest_checks import MAX_TEXTS
from hangtag.v1 import tags_pb2

SERVICE: str = tags_pb2.DESCRIPTOR.services_by_name["TagService"].full_name


class Methods(NamedTuple):
    """Look-ups, which are answered in lists, and the methods that run on the event loop; by name."""

    look_ups: Mapping[str, Parse]
    others: Mapping[str, Method]


def methods_of(handlers: Handlers, max_ids: int, searches: Iterable[Method] = ()) -> Methods:
    """The methods, with at most `max_ids` ids in a batch, and those that search."""
    others = (
        Method("SuggestTags", tags_pb2.SuggestTagsRequest, handlers.suggest_tags, lambda _: 1),
        Method(
            "BatchSuggestTags",
            tags_pb2.BatchSuggestTagsRequest,
            handlers.batch_suggest_tags,
            # Beyond it the request is refused.
            lambda request: min(len(request.texts), MAX_TEXTS),
        ),
    )
    return Methods(
        {"GetProductTags": parse_get, "BatchGetProductTags": batch_parser(max_ids)},
        {method.name: method for method in (*others, *searches)},
    )


def path_of(name: str) -> str:
    """The path of a method on the wire."""
    return f"/{SERVICE}/{name}"

"""One look-up: what a caller asked for, and how long it may take."""

from collections.abc import Callable, Sequence
from typing import Any

from google.protobuf.message import DecodeError, Message

from hangtag.server.access import ANYONE
from hangtag.server.checks import check_batch, check_get
from hangtag.server.errors import CallError, Reason
from hangtag.server.narrow import filter_of
from hangtag.v1 import tags_pb2

# Of one request. The largest valid one (1,000 ids of 256 bytes) takes 259 kB. Below the transport's own limit, which
# answers with a status that clients retry.
MAX_REQUEST_BYTES = 1024 * 1024
# A request of so many bytes may be one of many ids.
_MAYBE_LARGE_BYTES = 1_024
# Look-ups of more ids than this have a lane of their own, so that smaller ones do not wait for them.
SMALL = 100
# A request of an id alone: the number and type of its field, its length in one byte, and the id.
_ID_FIELD = tags_pb2.GetProductTagsRequest.PRODUCT_ID_FIELD_NUMBER << 3 | 2
_LONGEST_IN_ONE_BYTE = 0x80
NO_DEADLINE = float("inf")

Parse = Callable[[bytes], "LookUp"]


class LookUp:
    """The products of one call.

    `wait_version` is the version whose tags a look-up of one product waits for; 0: it does not wait. `tag_filter` says
    which tags are returned, if not all. `call` is the transport's handle of it, `client` who makes it, `arrived_s` and
    `deadline_s` are times of the monotonic clock. A transport sets `is_cancelled` once nobody waits for the answer any
    more.
    """

    __slots__ = (
        "arrived_s",
        "call",
        "client",
        "deadline_s",
        "ids",
        "is_cancelled",
        "is_single",
        "method",
        "min_versions",
        "tag_filter",
        "utf8",
        "wait_version",
    )

    def __init__(
        self,
        method: str,
        ids: Sequence[str],
        utf8: Sequence[bytes],
        min_versions: Sequence[int],
        *,
        is_single: bool,
        tag_filter: tags_pb2.TagFilter | None = None,
    ) -> None:
        self.method = method
        self.ids = ids
        self.utf8 = utf8
        self.min_versions = min_versions
        self.is_single = is_single
        self.wait_version = 0
        self.tag_filter = tag_filter
        self.is_cancelled = False
        self.call: Any = None
        self.client = ANYONE
        self.arrived_s = 0.0
        self.deadline_s = NO_DEADLINE

    def is_plain(self, answered_s: float) -> bool:
        """True if it is of one product, waits for nothing, and may be answered at that time."""
        return self.is_single and not self.wait_version and self.deadline_s > answered_s

    @property
    def is_large(self) -> bool:
        """True if it is read beside smaller ones, not with them."""
        return len(self.ids) > SMALL


def parse_get(raw: bytes) -> LookUp:
    """The look-up of a `GetProductTagsRequest`.

    Raises:
        CallError: INVALID_ARGUMENT.
    """
    size = len(raw) - 2
    if 0 < size < _LONGEST_IN_ONE_BYTE and raw[0] == _ID_FIELD and raw[1] == size:
        # An id and nothing else, as nearly all requests are, takes a third of the time without a message.
        utf8 = raw[2:]
        try:
            product = utf8.decode()
        except UnicodeDecodeError:
            pass  # the error is that of any malformed request
        else:
            return LookUp("GetProductTags", (product,), (utf8,), (0,), is_single=True)
    request = parsed(tags_pb2.GetProductTagsRequest, raw)
    product = request.product_id
    utf8 = check_get(request)
    awaited = request.wait_for_version
    newest = max(request.min_version, awaited)
    look_up = LookUp("GetProductTags", (product,), (utf8,), (newest,), is_single=True, tag_filter=filter_of(request))
    look_up.wait_version = awaited
    return look_up


def batch_parser(max_ids: int) -> Parse:
    """A parser of `BatchGetProductTagsRequest` with at most so many ids."""

    def parse_batch(raw: bytes) -> LookUp:
        request = parsed(tags_pb2.BatchGetProductTagsRequest, raw)
        utf8 = check_batch(request, max_ids)
        ids = list(request.product_ids)
        newest = list(request.min_versions) or [0] * len(ids)
        return LookUp("BatchGetProductTags", ids, utf8, newest, is_single=False, tag_filter=filter_of(request))

    return parse_batch


def is_large(raw: bytes) -> bool:
    """True if this is a request of many ids; much cheaper than to check it."""
    if not _MAYBE_LARGE_BYTES < len(raw) <= MAX_REQUEST_BYTES:
        return False
    try:
        return len(tags_pb2.BatchGetProductTagsRequest.FromString(raw).product_ids) > SMALL
    except DecodeError:
        return False


def parsed(kind: type[Message], raw: bytes) -> Any:
    """A request.

    Raises:
        CallError: INVALID_ARGUMENT: it is too large, or no message of this kind.
    """
    if len(raw) > MAX_REQUEST_BYTES:
        message = f"the request has {len(raw)} bytes, the maximum is {MAX_REQUEST_BYTES}; split it over several calls"
        raise CallError(Reason.REQUEST_TOO_LARGE, message)
    try:
        return kind.FromString(raw)
    except DecodeError as error:
        message = (
            f"the request is not a {kind.DESCRIPTOR.full_name} message, or a string in it is not UTF-8; "
            "generate the client from the service's .proto file"
        )
        raise CallError(Reason.MALFORMED_REQUEST, message) from error

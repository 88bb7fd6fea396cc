"""Calls whose frames are right: their messages, framing and compression are not."""

import gzip
import zlib

from hangtag.v1 import tags_pb2
from tests.fuzz.contract import require
from tests.fuzz.running_server import require_denied, running_server
from tests.integration.server.behaviour.peer import SERVICE, Peer, headers, message

METHODS = ("GetProductTags", "BatchGetProductTags", "SuggestTags", "BatchSuggestTags")
_ENCODINGS = (None, "gzip", "deflate", "identity", "br")
_OUR_DECISION = {0, 3, 5}
# DEADLINE_EXCEEDED: gRPC says nothing about a message that never becomes complete until the deadline.
_REFUSED_BY_GRPC = {4, 8, 12, 13}
_DEADLINE = "100m"
# On a busy machine: the deadline has passed, or would before its turn.
_TOO_LATE = {4, 8}
_PATIENCE_S = 60.0


def _input(method: int, encoding: int, *messages: bytes) -> bytes:
    return bytes([0, method, encoding]) + b"".join(messages)


_GET = tags_pb2.GetProductTagsRequest(product_id="sku-1", min_version=3).SerializeToString()
_BATCH = tags_pb2.BatchGetProductTagsRequest(product_ids=["sku-1", "sku-2"]).SerializeToString()
_SUGGEST = tags_pb2.SuggestTagsRequest(text="red wool scarf").SerializeToString()
_SUGGESTS = tags_pb2.BatchSuggestTagsRequest(texts=[{"text": "red"}]).SerializeToString()

SEEDS = (
    _input(0, 0, message(_GET)),
    _input(1, 0, message(_BATCH)),
    _input(2, 0, message(_SUGGEST)),
    _input(3, 0, message(_SUGGESTS)),
    _input(0, 1, message(gzip.compress(_GET), flag=1)),
    _input(0, 2, message(zlib.compress(_GET), flag=1)),
    # What expands by a thousand.
    _input(1, 1, message(gzip.compress(bytes(4 << 20)), flag=1)),
    _input(1, 1, message(gzip.compress(b"\x0a\x01x" * (1 << 20)), flag=1)),
    # Repeated fields, groups in groups, maps of nothing.
    _input(1, 0, message(b"\x0a\x00" * 5_000)),
    _input(3, 0, message(b"\x0a\x00" * 5_000)),
    _input(2, 0, message(b"\x0b" * 5_000)),
    _input(0, 0, message(b"\xa3\x06" * 2_000)),
    # Lengths that are not those of the messages, and several messages of a call that has one.
    _input(0, 0, message(_GET, length=2**32 - 1)),
    _input(0, 0, message(_GET, length=0)),
    _input(0, 0, message(_GET), message(_GET)),
    _input(0, 3, message(_GET, flag=255)),
    _input(0, 0, b"\x00\x00"),
    _input(0, 0),
    # With a wrong token, and without one.
    b"\x01\x00\x00" + message(_GET),
    b"\x02\x02\x00" + message(_SUGGEST),
    b"\x02\x00\x01" + message(b"no gzip", flag=1),
)


def target(data: bytes) -> str:
    """Make one call; it ends, and with a status of ours or of gRPC's own limits, never an internal error of ours.

    The first byte chooses the token, the next ones the method and the encoding.
    """
    server = running_server()
    token, (method, encoding) = server.bearer(data), (*data[1:3], 0, 0)[:2]
    name = METHODS[method % len(METHODS)]
    fields = headers(
        f"{SERVICE}/{name}",
        grpc_encoding=_ENCODINGS[encoding % len(_ENCODINGS)],
        grpc_timeout=_DEADLINE,
        authorization=token,
    )
    with Peer(server.port) as peer:
        answer = peer.call(data[3:], fields, limit_s=_PATIENCE_S)
    require(answer.is_over or peer.is_closed, "the call does not end")
    if not server.is_valid(token):
        require_denied(answer)
    elif answer.status is not None:
        said = f"{answer.status}: {answer.headers.get('grpc-message', '')[:200]}"
        is_ours = "grpc-status-details-bin" in answer.headers
        require(answer.status in _OUR_DECISION | _REFUSED_BY_GRPC, f"the status {said}")
        require(not is_ours or answer.status in _OUR_DECISION | _TOO_LATE, f"an error of ours: {said}")
    return server.checked(f"{name} {token is None} {answer.status} {answer.http} {answer.reset}")

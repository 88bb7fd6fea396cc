"""Headers of calls: names, values and tokens that nobody would send."""

from hangtag.v1 import tags_pb2
from tests.fuzz.contract import require
from tests.fuzz.pieces import Pieces, piece
from tests.fuzz.running_server import require_denied, running_server
from tests.integration.server.behaviour.peer import SERVICE, Peer, headers, message

_PATH = f"{SERVICE}/BatchGetProductTags"
_BODY = message(tags_pb2.BatchGetProductTagsRequest(product_ids=["sku-1"]).SerializeToString())
_MOST_FIELDS = 40
_PATIENCE_S = 60.0


def _fields(*pairs: tuple[bytes, bytes]) -> bytes:
    return b"\x00" + _others(*pairs)


def _others(*pairs: tuple[bytes, bytes]) -> bytes:
    return b"".join(piece(part) for pair in pairs for part in pair)


SEEDS = (
    _fields((b"authorization", b"Bearer ht_x_y")),
    _fields((b"authorization", b"Bearer "), (b"authorization", b"Bearer ht_x_y")),
    _fields((b"authorization", b"basic eDp5"), (b"Authorization", b"x")),
    _fields((b"grpc-timeout", b"1H"), (b"grpc-timeout", b"99999999999S")),
    _fields((b"grpc-timeout", b"-1n")),
    _fields((b"grpc-encoding", b"gzip"), (b"grpc-accept-encoding", b"gzip,,,;q=1")),
    _fields((b"content-type", b"application/grpc+json"), (b"te", b"")),
    _fields((b":path", b"/"), (b":method", b"GET")),
    _fields((b"host", b"a"), (b"content-length", b"99999999999999999999")),
    _fields((b"trace-bin", b"!!!"), (b"grpc-trace-bin", b"AAA="), (b"traceparent", b"00-" + b"f" * 200)),
    _fields(*((b"x-%d" % number, b"v" * 200) for number in range(30))),
    _fields((b"", b""), (b"\x00", b"\r\n\r\n"), (b"\xff", b"\xff")),
    # With a wrong token, and without one.
    b"\x01" + _others((b"x", b"y")),
    b"\x02" + _others((b"authorization", b"Bearer ht_x_y"), (b"authorization", b"")),
    b"\x02" + _others((b":path", b"/grpc.health.v1.Health/Check"), (b"authorization", b"Bearer")),
)


def target(data: bytes) -> str:
    """Make one call with these fields beside the usual ones; the answer is one of its product or none."""
    server, pieces = running_server(), Pieces(data[1:])
    token = server.bearer(data)
    added = []
    while len(added) < _MOST_FIELDS and (name := pieces.part().decode("latin-1")):
        added.append((name, pieces.part().decode("latin-1")))
    with Peer(server.port) as peer:
        answer = peer.call(_BODY, [*headers(_PATH, authorization=token), *added], limit_s=_PATIENCE_S)
    require(answer.is_over or peer.is_closed, "the call does not end")
    if not server.is_valid(token):
        require_denied(answer)
    elif answer.status == 0:
        (product,) = tags_pb2.BatchGetProductTagsResponse.FromString(answer.body[5:]).products
        require(product.product_id == "sku-1", "the answer to another call")
    else:
        require(not answer.body, "an error with a body")
    return server.checked(f"{token is None} {answer.status} {answer.http} {answer.reset} {peer.goaway}")

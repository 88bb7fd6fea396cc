"""JSON over HTTP: bodies that no client would send, and bytes that are no HTTP."""

import contextlib
import gzip
import http.client
import socket

from tests.fuzz.contract import require
from tests.fuzz.running_server import RunningServer, running_server
from tests.fuzz.targets.wire_messages import METHODS
from tests.integration.server.behaviour.peer import SERVICE

_KINDS = (
    "application/json",
    "application/proto",
    "application/grpc-web+proto",
    "application/grpc-web+json",
    "text/xml",
)
_ENCODINGS = (None, "gzip", "br", "identity")
_PATIENCE_S = 60.0
_MOMENT_S = 0.3
_MOST_BYTES = 1 << 16
_UNAUTHORIZED, _INTERNAL = 401, 500


def _input(method: int, kind: int, encoding: int, body: bytes, token: int = 0) -> bytes:
    return bytes([token, method, kind, encoding]) + body


SEEDS = (
    _input(0, 0, 0, b'{"productId":"sku-1","minVersion":"3"}'),
    _input(1, 0, 0, b'{"product_ids":["sku-1","sku-2"],"filter":{"facets":["color"],"minBand":"BAND_AUTO"}}'),
    _input(2, 0, 0, b'{"text":"red wool scarf","kind":"TEXT_KIND_QUERY"}'),
    _input(3, 0, 0, b'{"texts":[{"text":"red"},{"text":"blue"}]}'),
    _input(0, 1, 0, b"\x0a\x05sku-1"),
    _input(0, 2, 0, b"\x00\x00\x00\x00\x07\x0a\x05sku-1"),
    _input(0, 3, 0, b'\x00\x00\x00\x00\x15{"productId":"sku-1"}'),
    # Deep, wide, and what expands by a thousand.
    _input(2, 0, 0, b'{"text":' + b"[" * 20_000),
    _input(2, 0, 0, b'{"filter":' * 5_000),
    _input(1, 0, 0, b'{"productIds":[' + b'"",' * 20_000 + b'""]}'),
    _input(1, 0, 1, gzip.compress(b" " * (16 << 20))),
    _input(1, 0, 1, gzip.compress(b'{"productIds":[' + b'"x",' * (1 << 20))),
    _input(0, 0, 1, b"no gzip"),
    _input(0, 0, 0, b'{"productId":1e400,"minVersion":NaN}'),
    _input(0, 0, 0, b'{"productId":"\\ud800","productId":null}'),
    _input(0, 0, 0, b'{"productId":"sku-1"}', token=1),
    _input(0, 0, 0, b'{"productId":"sku-1"}', token=2),
    # Bytes in place of HTTP.
    b"\x03GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\x03POST /hangtag.v1.TagService/GetProductTags HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n",
    b"\x03POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345GET / HTTP/1.1\r\n\r\n",
    b"\x03GET / HTTP/1.1\r\n" + b"X: " + b"y" * 30_000,
    b"\x03\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
)


def target(data: bytes) -> str:
    """Send one request, or bytes in place of it; the first byte chooses the token, or that it is no request."""
    server = running_server()
    if data and data[0] % 4 == 3:
        return server.checked(_send_bytes(server, data[1:]))
    method, kind, encoding = (*data[1:4], 0, 0, 0)[:3]
    token = server.bearer(data)
    headers = {
        "content-type": _KINDS[kind % len(_KINDS)],
        "content-encoding": _ENCODINGS[encoding % len(_ENCODINGS)],
        "authorization": token,
    }
    connection = http.client.HTTPConnection("127.0.0.1", server.http_port, timeout=_PATIENCE_S)
    with contextlib.closing(connection):
        given = {name: value for name, value in headers.items() if value is not None}
        connection.request("POST", f"{SERVICE}/{METHODS[method % len(METHODS)]}", data[4:], given)
        reply = connection.getresponse()
        body = reply.read()
    if not server.is_valid(token):
        # gRPC-Web has its status in the body or the headers.
        is_denied = reply.status == _UNAUTHORIZED and b"unauthenticated" in body
        is_denied |= reply.headers.get("grpc-status") == "16" or b"grpc-status: 16" in body
        require(is_denied, f"the unauthenticated got {reply.status} {body[:200]!r}")
    require(
        reply.status < _INTERNAL or reply.status == http.client.SERVICE_UNAVAILABLE, f"{reply.status} {body[:200]!r}"
    )
    return server.checked(f"{given['content-type']} {token is None} {reply.status}")


def _send_bytes(server: RunningServer, data: bytes) -> str:
    """What is answered to bytes without a token: nothing about products."""
    with socket.create_connection(("127.0.0.1", server.http_port), timeout=_PATIENCE_S) as connection:
        with contextlib.suppress(OSError):  # it may be closed before all is sent
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        connection.settimeout(_MOMENT_S)
        answer = b""
        with contextlib.suppress(OSError):
            while len(answer) < _MOST_BYTES and (part := connection.recv(_MOST_BYTES)):
                answer += part
    require(b"productId" not in answer and b"freshness" not in answer, "the unauthenticated got a reply")
    require(not answer.startswith(b"HTTP/1.1 5") or b"NOT_SERVING" in answer, f"{answer[:200]!r}")
    return f"bytes {answer[:12]!r}"

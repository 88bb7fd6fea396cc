"""Bytes on a connection of HTTP/2: frames that are damaged, repeated, out of order or no frames.

No call has a token."""

import contextlib

import hpack
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from hangtag.v1 import tags_pb2
from tests.fuzz.running_server import require_denied, running_server
from tests.integration.server.behaviour.peer import PREFACE, Peer, headers, message

# For answers; the connection ends their calls when it is closed.
_MOMENT_S = 0.02
_PATIENCE_S = 0.5
_BLOCK = hpack.Encoder().encode(headers())
_BODY = message(tags_pb2.GetProductTagsRequest(product_id="sku-1").SerializeToString())


def _bytes(*frames: Frame) -> bytes:
    return b"".join(frame.serialize() for frame in frames)


def _call(stream: int) -> tuple[Frame, Frame]:
    return (
        HeadersFrame(stream, _BLOCK, flags=["END_HEADERS"]),
        DataFrame(stream, _BODY, flags=["END_STREAM"]),
    )


_SETTINGS = SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 1 << 20})
_NO_FLAGS = HeadersFrame(1, _BLOCK[:5])

SEEDS = (
    PREFACE + _bytes(_SETTINGS, *_call(1)),
    PREFACE + _bytes(_SETTINGS, *_call(1), *_call(3), *_call(5)),
    # Streams that are opened and reset at once, again and again.
    PREFACE + _bytes(_SETTINGS, *(each for n in range(1, 200, 2) for each in (_call(n)[0], RstStreamFrame(n, 8)))),
    # A header block that never ends.
    PREFACE + _bytes(_SETTINGS, _NO_FLAGS, *(ContinuationFrame(1, b"\x00" * 100) for _ in range(50))),
    PREFACE + _bytes(_SETTINGS, *(SettingsFrame(0, settings={4: size}) for size in (0, 1, 2**31 - 1))),
    PREFACE + _bytes(_SETTINGS, *(PingFrame(0, opaque_data=b"12345678") for _ in range(100))),
    PREFACE + _bytes(_SETTINGS, *_call(1), WindowUpdateFrame(1, window_increment=2**31 - 1), GoAwayFrame(0)),
    PREFACE + _bytes(_SETTINGS, *(PriorityFrame(n, depends_on=n, stream_weight=1) for n in range(1, 100, 2))),
    PREFACE + _bytes(_SETTINGS, DataFrame(7, _BODY), *_call(2), *_call(1)),
    # Tables that grow, references to what is not in them, lengths of 2^32 (RFC 7541).
    PREFACE
    + _bytes(_SETTINGS, HeadersFrame(1, b"\x3f\xe1\xff\xff\xff\x0f\xff\xff\xff\xff\x0f", flags=["END_HEADERS"])),
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST /hangtag.v1.TagService/GetProductTags HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40),
    b"",
)


def target(data: bytes) -> str:
    """Send the bytes; whatever the server does, it does it to this connection alone."""
    server = running_server()
    with Peer(server.port, first=data, answers_pings=False) as peer:
        peer.read_until(lambda: bool(peer.answers) or peer.is_closed, _MOMENT_S)
        with contextlib.suppress(OSError):  # it has closed the connection already
            peer.half_close()
        peer.read_until(lambda: peer.is_closed, _PATIENCE_S)
        for answer in peer.answers.values():
            require_denied(answer)
        answers = [answer.status for answer in peer.answers.values()]
        return server.checked(f"{peer.goaway} {peer.is_closed} {sorted(map(str, answers))[:3]}")

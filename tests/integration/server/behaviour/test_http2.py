"""Connections that break HTTP/2, or flood it: they are ended or answered, and nobody else notices."""

import struct
from collections.abc import Callable, Iterator

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    RstStreamFrame,
    SettingsFrame,
)

from hangtag.v1 import tags_pb2
from tests.integration.server.behaviour.memory import peak_memory
from tests.integration.server.behaviour.outcome import is_refused
from tests.integration.server.behaviour.peer import SERVICE, Peer, headers, message
from tests.integration.server.parts import FakeTagger, Served, calls_in_flight, until

SUGGEST = f"{SERVICE}/SuggestTags"
TEXT = message(tags_pb2.SuggestTagsRequest(text="red shoes").SerializeToString())
DATA, SETTINGS, PING, WINDOW_UPDATE, UNKNOWN = 0, 4, 6, 8, 0x99
CANCEL = 8
# What a flood may cost, beside the memory that its calls would take anyway.
FEW_BYTES = 64 * 1024 * 1024


def frame(kind: int, stream: int, payload: bytes = b"", flags: int = 0) -> bytes:
    """Also one that `hyperframe` refuses to build."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def waiting(peer: Peer, tagger: FakeTagger) -> int:
    """A call that is answered once the model may compute; returns its stream."""
    tagger.gate.clear()
    stream = peer.open(headers(SUGGEST))
    peer.data(stream, TEXT)
    until(calls_in_flight)
    return stream


@pytest.fixture(autouse=True)
def _harms_nobody(served: Served, tagger: FakeTagger) -> Iterator[None]:
    yield
    tagger.gate.set()
    assert served.suggest("two words").tags[0].value == "2"
    until(lambda: calls_in_flight() == 0)


VIOLATIONS = {
    "a window update of 0": frame(WINDOW_UPDATE, 0, bytes(4)),
    "a ping of one byte": frame(PING, 0, b"x"),
    "settings of five bytes": frame(SETTINGS, 0, bytes(5)),
    "a window of 2 GiB": frame(SETTINGS, 0, struct.pack(">HI", 4, 2**31)),
    "frames of one byte": frame(SETTINGS, 0, struct.pack(">HI", 5, 1)),
    "settings that were never sent are acknowledged": SettingsFrame(0, flags=["ACK"]).serialize() * 3,
    "a continuation of nothing": ContinuationFrame(1, b"x", flags=["END_HEADERS"]).serialize(),
    "headers that are interrupted": HeadersFrame(9, b"").serialize() + frame(PING, 0, b"question"),
    "headers that cannot be decoded": HeadersFrame(9, b"\xff" * 20, flags=["END_HEADERS"]).serialize(),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_connection_that_breaks_http_2_is_closed_and_its_calls_end(peer: Peer, tagger: FakeTagger, name: str) -> None:
    waiting(peer, tagger)

    peer.send_bytes(VIOLATIONS[name])

    assert peer.read_until(lambda: peer.is_closed)
    until(lambda: calls_in_flight() == 0)


@pytest.mark.parametrize(
    "first",
    [
        b"GET / HTTP/1.1\r\nHost: hangtag\r\n\r\n",
        b"\x16\x03\x01" + b"x" * 200,
        b"PRI * HTTP/2.0\r\n\r\nNO\r\n\r\n",
        bytes(64),
    ],
    ids=["HTTP/1.1", "TLS", "wrong preface", "zeros"],
)
def test_a_client_that_does_not_speak_http_2_is_disconnected(served: Served, first: bytes) -> None:
    with Peer(served.port, first=first) as peer:
        assert peer.read_until(lambda: peer.is_closed)


HARMLESS = {
    "an unknown frame": frame(UNKNOWN, 0, b"x"),
    "an unknown setting": frame(SETTINGS, 0, struct.pack(">HI", 0x99, 1)),
    "no table of headers": frame(SETTINGS, 0, struct.pack(">HI", 1, 0)),
    "a priority": PriorityFrame(1, depends_on=0, stream_weight=1).serialize(),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_what_http_2_allows_changes_nothing(peer: Peer, tagger: FakeTagger, name: str) -> None:
    stream = waiting(peer, tagger)

    peer.send_bytes(HARMLESS[name])
    assert peer.is_served()
    tagger.gate.set()

    assert peer.answer(stream).status == 0


def resets(peer: Peer, _: int) -> list[Frame]:
    """Calls that are cancelled at once ("rapid reset")."""
    stream = peer.next_stream()
    return [
        *peer.header_frames(stream, headers(SUGGEST)),
        DataFrame(stream, TEXT, flags=["END_STREAM"]),
        RstStreamFrame(stream, error_code=CANCEL),
    ]


def unfinished_calls(peer: Peer, _: int) -> list[Frame]:
    return peer.header_frames(peer.next_stream(), headers(SUGGEST))


def pings(_: Peer, number: int) -> list[Frame]:
    return [PingFrame(0, opaque_data=number.to_bytes(8, "big"))]


def settings(_: Peer, number: int) -> list[Frame]:
    return [SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 65_535 + number % 2})]


def empty_data(peer: Peer, number: int) -> list[Frame]:
    return [*([] if number else peer.header_frames(1, headers(SUGGEST))), DataFrame(1, b"")]


def continuations(peer: Peer, number: int) -> list[Frame]:
    """Headers without an end."""
    if not number:
        return [HeadersFrame(1, b"")]
    return [ContinuationFrame(1, b"\x00\x06x-head\x7f\x61" + b"v" * 224)]


def repeated_header(peer: Peer, _: int) -> list[Frame]:
    """A kilobyte in the table of headers, named by one byte again and again ("HPACK bomb")."""
    block = b"\x82\x86\x84\x40\x04bomb\x7f\xe9\x06" + b"z" * 1_000 + b"\xbe" * 12_000
    return [HeadersFrame(peer.next_stream(), block, flags=["END_HEADERS", "END_STREAM"])]


@pytest.mark.parametrize(
    ("flood", "count"),
    [
        (resets, 5_000),
        (unfinished_calls, 5_000),
        (pings, 20_000),
        (settings, 20_000),
        (empty_data, 20_000),
        (continuations, 20_000),
        (repeated_header, 500),
    ],
)
def test_a_flood_takes_little_memory_and_leaves_no_call_behind(
    served: Served, transport: str, flood: Callable[[Peer, int], list[Frame]], count: int
) -> None:
    with peak_memory() as peak, Peer(served.port) as peer:
        for number in range(0, count, 100):
            peer.send(*(each for at in range(number, number + 100) for each in flood(peer, at)))
            if peer.is_closed:
                break
        assert served.suggest("two words").tags[0].value == "2"
    if transport == "grpcio" and flood in (resets, unfinished_calls) and peak() >= FEW_BYTES:
        pytest.xfail(
            "grpcio keeps 12 to 20 kB of a call until it ends, and with a limit of calls it loses some of others"
        )
    assert peak() < FEW_BYTES


def test_a_frame_that_is_too_large_is_not_read_into_memory(served: Served) -> None:
    size = 2**24 - 1

    with peak_memory() as peak, Peer(served.port) as peer:
        stream = peer.open(headers(SUGGEST))
        peer.send_bytes(struct.pack(">I", size)[1:] + struct.pack(">BBI", DATA, 0, stream) + bytes(size))
        peer.read_until(lambda: peer.is_closed or peer.answers[stream].is_over, 5)
        assert peer.is_closed or is_refused(peer.answers[stream])

    assert peak() < FEW_BYTES

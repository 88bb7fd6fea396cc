"""A client that speaks HTTP/2 frame by frame: it also sends what no gRPC client would send."""

import select
import socket
import struct
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import hpack
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SERVICE = "/hangtag.v1.TagService"
_MAX_FRAME = 16_384
_LARGEST_WINDOW = 2**31 - 1
_DEFAULT_WINDOW = 65_535
_HEAD_BYTES = 9
Headers = list[tuple[str, str]]


def message(payload: bytes, *, flag: int = 0, length: int | None = None) -> bytes:
    """One gRPC message: a flag (1: compressed), the length in four bytes, the payload."""
    return struct.pack(">BI", flag, len(payload) if length is None else length) + payload


def headers(path: str | None = f"{SERVICE}/GetProductTags", /, **changed: str | None) -> Headers:
    """The request headers of a gRPC call. `None` leaves one out; `_` stands for `-`, and method for `:method`."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": "localhost",
        "te": "trailers",
        "content-type": "application/grpc",
    }
    for name, value in changed.items():
        wire_name = name.replace("_", "-")
        fields[f":{wire_name}" if f":{wire_name}" in fields else wire_name] = value
    return [(name, value) for name, value in fields.items() if value is not None]


@dataclass
class Answer:
    """What the server sent on one stream."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_ended: bool = False
    reset: int | None = None

    @property
    def is_over(self) -> bool:
        """Nothing more can come."""
        return self.is_ended or self.reset is not None

    @property
    def status(self) -> int | None:
        """The gRPC status, or None without one."""
        value = self.headers.get("grpc-status")
        return None if value is None else int(value)

    @property
    def http(self) -> str | None:
        """The HTTP status."""
        return self.headers.get(":status")


class Peer:
    """One connection. It acknowledges settings, and pings unless told not to."""

    def __init__(
        self, port: int, *, window: int = _LARGEST_WINDOW, answers_pings: bool = True, first: bytes | None = None
    ) -> None:
        """`window` is how much of an answer the server may send on each stream; `first` is sent in place of HTTP/2."""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._encoder = hpack.Encoder()
        self._decoder = hpack.Decoder(max_header_list_size=16 * 1024 * 1024)
        self._answers_pings = answers_pings
        self._unread = b""
        self._unsent = bytearray()
        self._is_sending = False
        self._block = b""
        self._next_stream = 1
        self._room = _DEFAULT_WINDOW
        self.answers: dict[int, Answer] = {}
        self.settings: dict[int, int] = {}
        self.goaway: int | None = None
        self.goaway_reason = b""
        self.pongs = 0
        self.pings = 0
        self.is_closed = False
        if first is not None:
            self.send_bytes(first)
            return
        start = SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: window})
        self.send_bytes(PREFACE + start.serialize())
        self.allow(0, _LARGEST_WINDOW - _DEFAULT_WINDOW)
        # The server's limits count once they are acknowledged.
        self.read_until(lambda: bool(self.settings))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._socket.close()

    def send(self, *frames: Frame) -> None:
        """Send these frames as they are."""
        self.send_bytes(b"".join(frame.serialize() for frame in frames))

    def send_bytes(self, data: bytes) -> None:
        """Send bytes, reading what comes meanwhile. What the server no longer takes is dropped."""
        self._unsent += data
        if self._is_sending:
            return  # an acknowledgement, due while something else is being sent
        self._is_sending = True
        while self._unsent and not self.is_closed:
            can_read, can_write, _ = select.select([self._socket], [self._socket], [], 10)
            if can_read:
                self._receive()
            if can_write and not self.is_closed:
                try:
                    del self._unsent[: self._socket.send(self._unsent[:65_536])]
                except OSError:
                    self.is_closed = True
        self._is_sending = False

    def header_frames(self, stream: int, fields: Headers, *, ends: bool = False) -> list[Frame]:
        """The HEADERS frame of these fields, with CONTINUATION frames if it takes them."""
        block = self._encoder.encode(fields, huffman=False)  # hpack takes minutes for the Huffman code of a megabyte
        parts = [block[at : at + _MAX_FRAME] for at in range(0, len(block), _MAX_FRAME)] or [b""]
        frames: list[Frame] = [HeadersFrame(stream, parts[0], flags=["END_STREAM"] if ends else [])]
        frames += [ContinuationFrame(stream, part) for part in parts[1:]]
        frames[-1].flags.add("END_HEADERS")
        return frames

    def next_stream(self) -> int:
        """The number of a stream that is not open yet."""
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        self.answers[stream] = Answer()
        return stream

    def open(self, fields: Headers | None = None, *, ends: bool = False) -> int:
        """Open a stream with these headers and return its number."""
        stream = self.next_stream()
        self.send(*self.header_frames(stream, headers() if fields is None else fields, ends=ends))
        return stream

    def data(self, stream: int, body: bytes, *, ends: bool = True) -> None:
        """Send a body within the connection's window; the stream's own is not counted."""
        for at in range(0, max(1, len(body)), _MAX_FRAME):
            part = body[at : at + _MAX_FRAME]
            self._wait_for_room(stream, len(part))
            if self.answers[stream].is_over:
                return
            self._room -= len(part)
            is_last = ends and at + _MAX_FRAME >= len(body)
            self.send(DataFrame(stream, part, flags=["END_STREAM"] if is_last else []))

    def _wait_for_room(self, stream: int, size: int) -> None:
        self.read_until(lambda: self._room >= size or self.answers[stream].is_over)

    def call(self, body: bytes, fields: Headers | None = None, *, limit_s: float = 10) -> Answer:
        """Make one call with this body and read until its stream is over."""
        stream = self.open(fields)
        self.data(stream, body)
        return self.answer(stream, limit_s=limit_s)

    def answer(self, stream: int, *, limit_s: float = 10) -> Answer:
        """Read until the stream, or the connection, is over."""
        self.read_until(lambda: self.answers[stream].is_over, limit_s)
        return self.answers[stream]

    def read_until(self, condition, limit_s: float = 10) -> bool:
        """Read frames until the condition holds (True), the connection is closed or the time is up (its value)."""
        end = time.monotonic() + limit_s
        while not condition():
            left = end - time.monotonic()
            if left <= 0 or self.is_closed:
                return bool(condition())
            if select.select([self._socket], [], [], left)[0]:
                self._receive()
        return True

    def read_for(self, seconds: float) -> None:
        """Read what comes within some seconds."""
        self.read_until(lambda: False, seconds)

    def allow(self, stream: int, size: int) -> None:
        """Open the window of a stream by so many bytes; 0: that of the connection."""
        self.send(WindowUpdateFrame(stream, window_increment=size))

    def half_close(self) -> None:
        """Say that nothing more will be sent, and go on reading."""
        self._socket.shutdown(socket.SHUT_WR)

    def ping(self) -> None:
        self.send(PingFrame(0, opaque_data=b"question"))

    def is_served(self) -> bool:
        """Whether the connection still answers a ping."""
        before = self.pongs
        self.ping()
        return self.read_until(lambda: self.pongs > before, 5)

    def _receive(self) -> None:
        try:
            part = self._socket.recv(262_144)
        except OSError:
            part = b""
        if not part:
            self.is_closed = True
            return
        self._unread += part
        while len(self._unread) >= _HEAD_BYTES:
            frame, length = Frame.parse_frame_header(memoryview(self._unread)[:_HEAD_BYTES])
            if len(self._unread) < _HEAD_BYTES + length:
                return
            frame.parse_body(memoryview(self._unread)[_HEAD_BYTES : _HEAD_BYTES + length])
            self._unread = self._unread[_HEAD_BYTES + length :]
            self._take(frame)

    def _take(self, frame: Frame) -> None:
        if frame.stream_id:
            self._take_of_call(frame, self.answers.setdefault(frame.stream_id, Answer()))
        elif isinstance(frame, SettingsFrame) and "ACK" not in frame.flags:
            self.settings |= frame.settings
            self.send(SettingsFrame(0, flags=["ACK"]))
        elif isinstance(frame, PingFrame):
            self._take_ping(frame)
        elif isinstance(frame, GoAwayFrame):
            self.goaway, self.goaway_reason = frame.error_code, frame.additional_data
        elif isinstance(frame, WindowUpdateFrame):
            self._room += frame.window_increment

    def _take_ping(self, frame: PingFrame) -> None:
        if "ACK" in frame.flags:
            self.pongs += 1
            return
        self.pings += 1
        if self._answers_pings:
            self.send(PingFrame(0, opaque_data=frame.opaque_data, flags=["ACK"]))

    def _take_of_call(self, frame: Frame, answer: Answer) -> None:
        if isinstance(frame, RstStreamFrame):
            # The first one has the reason; another may follow what was already on its way.
            answer.reset = frame.error_code if answer.reset is None else answer.reset
        elif isinstance(frame, DataFrame):
            answer.body += frame.data
        elif isinstance(frame, HeadersFrame | ContinuationFrame):
            self._block += frame.data
            if "END_HEADERS" in frame.flags:
                answer.headers |= dict(self._decoder.decode(self._block))
                self._block = b""
        if "END_STREAM" in frame.flags:
            answer.is_ended = True

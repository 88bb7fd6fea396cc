"""One HTTP/2 connection of the load generator, with as little work for a call as Python allows.

Every request of a method has the same header block, and the server is asked not to index headers, so that the blocks of
its answers repeat and each different one is decoded only once.
"""

import socket
import ssl
import struct
from collections import Counter, deque
from time import perf_counter

import hpack

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GOAWAY, _CONTINUATION = 0, 1, 3, 4, 6, 7, 9
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_WINDOW = 2**31 - 1
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_HEAD = struct.Struct(">IBI")
_RENEW_AFTER = 2**29
_STATUS = {0: "OK", 4: "DEADLINE_EXCEEDED", 5: "NOT_FOUND", 8: "RESOURCE_EXHAUSTED", 13: "INTERNAL", 14: "UNAVAILABLE"}


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    # The length takes three bytes, and the kind the fourth.
    return _HEAD.pack(len(payload) << 8 | kind, flags, stream) + payload


class Connection:
    """Sends calls and collects how they ended: `statuses`, and `seconds` of those that have a start."""

    def __init__(self, port: int, path: str, token: str = "", tls: ssl.SSLContext | None = None) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="127.0.0.1")
        fields = [
            (":method", "POST"),
            (":scheme", "http" if tls is None else "https"),
            (":path", path),
            (":authority", "hangtag"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            *([("authorization", f"Bearer {token}")] if token else []),
        ]
        # Never indexed: the block is the same for every call.
        self._block = hpack.Encoder().encode(hpack.NeverIndexedHeaderTuple(*field) for field in fields)
        self._stream = -1
        self._started: dict[int, float] = {}
        self._statuses: dict[bytes, str | None] = {}
        self._unread = b""
        self._unsent = bytearray()
        self._got = 0
        self._held: deque[tuple[bytes, float]] = deque()
        self.is_greeted = False
        self.max_streams = 2**31
        self.statuses: Counter[str] = Counter()
        self.seconds: list[float] = []
        settings = struct.pack(">HIHI", 1, 0, 4, _WINDOW)
        window = _frame(8, 0, 0, struct.pack(">I", _WINDOW - 65_535))
        self.socket.sendall(PREFACE + _frame(_SETTINGS, 0, 0, settings) + window)
        self.socket.setblocking(False)

    @property
    def open_calls(self) -> int:
        """Calls without an end."""
        return len(self._started) + len(self._held)

    @property
    def has_unsent(self) -> bool:
        """The socket did not take everything."""
        return bool(self._unsent)

    def call(self, message: bytes, started: float) -> None:
        """Send a call next, or once the server allows it; `started` is the time that it is counted from."""
        if len(self._started) >= self.max_streams:
            self._held.append((message, started))
            return
        self._stream = stream = self._stream + 2
        self._started[stream] = started
        self._unsent += _frame(_HEADERS, _END_HEADERS, stream, self._block)
        self._unsent += _frame(_DATA, _END_STREAM, stream, message)

    def flush(self) -> None:
        """Send what the socket takes."""
        while self._unsent:
            try:
                sent = self.socket.send(self._unsent)
            except _NOT_NOW:
                return
            except OSError:
                self.lost()
                return
            del self._unsent[:sent]

    def receive(self) -> int:
        """Read what is there; returns how many calls ended."""
        # Of TLS, one call returns one record.
        parts = []
        try:
            while part := self.socket.recv(262_144):
                parts.append(part)
                if not isinstance(self.socket, ssl.SSLSocket):
                    break
            else:
                return self.lost()
        except _NOT_NOW:
            if not parts:
                return 0
        except OSError:
            return self.lost()
        part = b"".join(parts)
        before = len(self._started)
        data = self._unread + part if self._unread else part
        place = self._take(data)
        self._unread = data[place:]
        if self._got >= _RENEW_AFTER:
            self._unsent += _frame(8, 0, 0, struct.pack(">I", self._got))
            self._got = 0
        ended = before - len(self._started)
        for _ in range(min(len(self._held), self.max_streams - len(self._started))):
            self.call(*self._held.popleft())
        return ended

    def _take(self, data: bytes) -> int:
        """Take the complete frames; returns where the rest begins."""
        place, end = 0, len(data)
        while end - place >= 9:
            length = data[place] << 16 | data[place + 1] << 8 | data[place + 2]
            after = place + 9 + length
            if after > end:
                break
            kind = data[place + 3]
            if kind == _DATA:
                self._got += length
            elif kind == _HEADERS:
                if data[place + 4] & _END_STREAM:
                    self._ended(int.from_bytes(data[place + 5 : place + 9]), data[place + 9 : after])
            else:
                self._other(kind, data[place + 4], data[place + 5 : place + 9], data[place + 9 : after])
            place = after
        return place

    def lost(self) -> int:
        """End all calls, because the connection is closed; returns how many."""
        count = self.open_calls
        self.statuses["connection lost"] += count
        self._started.clear()
        self._held.clear()
        self._unsent.clear()
        return count

    def _ended(self, stream: int, block: bytes) -> None:
        started = self._started.pop(stream, None)
        if started is None:
            return
        self.seconds.append(perf_counter() - started)
        try:
            status = self._statuses[block]
        except KeyError:
            status = self._statuses[block] = self._decoded(block)
        self.statuses[status or "no status"] += 1

    def _decoded(self, block: bytes) -> str | None:
        fields = dict(hpack.Decoder().decode(block))
        if "grpc-status" not in fields:
            return f"HTTP {fields.get(':status')}"
        code = int(fields["grpc-status"])
        return _STATUS.get(code, f"status {code}")

    def _other(self, kind: int, flags: int, stream: bytes, payload: bytes) -> None:
        if kind == _SETTINGS and not flags & _ACK:
            for place in range(0, len(payload), 6):
                name, value = struct.unpack_from(">HI", payload, place)
                if name == 3:
                    self.max_streams = value
            self.is_greeted = True
            self._unsent += _frame(_SETTINGS, _ACK, 0)
        elif kind == _PING and not flags & _ACK:
            self._unsent += _frame(_PING, _ACK, 0, payload)
        elif kind == _RESET and self._started.pop(int.from_bytes(stream), None) is not None:
            self.statuses[f"reset {int.from_bytes(payload)}"] += 1

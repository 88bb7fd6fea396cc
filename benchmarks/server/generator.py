"""The load generator, a process of its own: `python -m benchmarks.server.generator JSON`.

Closed: so many calls are always open. Open: calls start at a rate, whatever the answers take, and each is counted from
the time at which it was due, so that a slow server cannot hide by making its clients wait. Burst: all calls at once.
"""

import gc
import os
import select
import ssl
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from time import perf_counter

import orjson

from benchmarks.server.connection import Connection
from benchmarks.server.requests import KINDS, SERVICE

_GIVE_UP_S = 30.0
# How long a caller whose call was refused waits before the next one.
_BACK_OFF_S = 0.3


@dataclass
class Load:
    """What to send. With `per_s` the load is open; with `burst` every connection sends so many calls at once."""

    port: int
    kind: str
    seconds: float = 2.0
    connections: int = 4
    streams: int = 8
    per_s: float = 0.0
    burst: int = 0
    backs_off: bool = False
    warm_up_s: float = 0.5
    path: str = ""
    token: str = ""
    # Of the authority whose certificate the server has, if it speaks TLS.
    ca_file: str = ""


@dataclass
class Result:
    """How the calls ended after the warm-up; times in ms. `all_calls` counts those of the warm-up too."""

    calls_per_s: float
    p50_ms: float
    p99_ms: float
    worst_ms: float
    statuses: dict[str, int] = field(default_factory=dict)
    generator_cpu: float = 0.0
    all_calls: int = 0

    @property
    def calls(self) -> int:
        """Calls with any end."""
        return sum(self.statuses.values())


class Generator:
    """Runs one load."""

    def __init__(self, load: Load) -> None:
        self._load = load
        method, build, different, _ = KINDS[load.kind]
        path = load.path or f"{SERVICE}/{method}"
        bodies = (build(number) for number in range(different))
        self._messages = [b"\0" + len(body).to_bytes(4) + body for body in bodies]
        self._next = os.getpid() % len(self._messages)
        tls = tls_context(load.ca_file) if load.ca_file else None
        self._connections = [Connection(load.port, path, load.token, tls) for _ in range(load.connections)]
        self._by_file = {each.socket.fileno(): each for each in self._connections}
        self._resting: list[tuple[float, Connection]] = []
        self._warm_up_calls = 0

    def run(self) -> Result:
        """Send the load and wait for the last answers."""
        load = self._load
        while not all(each.is_greeted for each in self._connections):
            self._step(0.1, refill=False)
        start = perf_counter()
        if load.burst:
            for each in self._connections:
                self._start(each, load.burst, start)
            return self._result(start, self._finish())
        if not load.per_s:
            for each in self._connections:
                self._start(each, load.streams, start)
        self._send(start, load.warm_up_s)
        for each in self._connections:
            self._warm_up_calls += each.statuses.total()
            each.statuses.clear()
            each.seconds.clear()
        start, cpu = perf_counter(), time.process_time()
        self._send(start, load.seconds)
        end, cpu = perf_counter(), time.process_time() - cpu
        if load.per_s:
            # Calls that are still open count too: their answers are late.
            self._finish()
        return self._result(start, end, cpu)

    def _send(self, start: float, seconds: float) -> None:
        if self._load.per_s:
            self._paced(start, seconds)
        else:
            self._closed(start + seconds)

    def _closed(self, until: float) -> None:
        while perf_counter() < until:
            self._step(0.1, refill=True)

    def _paced(self, start: float, seconds: float) -> None:
        """Start each call when it is due."""
        total = int(self._load.per_s * seconds)
        every = 1 / self._load.per_s
        sent = 0
        while sent < total:
            now = perf_counter()
            due = min(total, int((now - start) * self._load.per_s) + 1)
            while sent < due:
                connection = self._connections[sent % len(self._connections)]
                self._start(connection, 1, start + sent * every)
                sent += 1
            self._step(max(0.0, start + sent * every - perf_counter()), refill=False)

    def _finish(self) -> float:
        give_up = perf_counter() + _GIVE_UP_S
        last = perf_counter()
        while any(each.open_calls for each in self._connections) and perf_counter() < give_up:
            if self._step(0.1, refill=False):
                last = perf_counter()
        for each in self._connections:
            if each.open_calls:
                each.statuses["no answer"] += each.open_calls
        return last

    def _start(self, connection: Connection, count: int, started: float) -> None:
        for _ in range(count):
            self._next = (self._next + 1) % len(self._messages)
            connection.call(self._messages[self._next], started)
        connection.flush()

    def _step(self, timeout_s: float, *, refill: bool) -> int:
        ended = 0
        full = [file for file, each in self._by_file.items() if each.has_unsent]
        # `select`, because the timeouts of `epoll` are whole milliseconds.
        readable, writable, _ = select.select(self._by_file, full, [], timeout_s)
        for file in writable:
            self._by_file[file].flush()
        for file in readable:
            connection = self._by_file[file]
            refused = connection.statuses["RESOURCE_EXHAUSTED"] if self._load.backs_off else 0
            count = connection.receive()
            ended += count
            if refill and count:
                if self._load.backs_off:
                    resting = connection.statuses["RESOURCE_EXHAUSTED"] - refused
                    now = perf_counter()
                    self._resting += [(now + _BACK_OFF_S, connection)] * resting
                    count -= resting
                self._start(connection, count, perf_counter())
            else:
                connection.flush()
        if refill:
            while self._resting and self._resting[0][0] <= perf_counter():
                self._start(self._resting.pop(0)[1], 1, perf_counter())
        return ended

    def _result(self, start: float, end: float, cpu_s: float = 0.0) -> Result:
        seconds = sorted(s for each in self._connections for s in each.seconds) or [0.0]
        statuses: Counter[str] = Counter()
        for each in self._connections:
            statuses.update(each.statuses)
        took = max(end - start, 1e-9)
        p50, p99 = (seconds[min(len(seconds) - 1, int(len(seconds) * share))] for share in (0.5, 0.99))
        return Result(
            calls_per_s=sum(statuses.values()) / took,
            p50_ms=p50 * 1_000,
            p99_ms=p99 * 1_000,
            worst_ms=seconds[-1] * 1_000,
            statuses=dict(statuses),
            generator_cpu=cpu_s / took,
            all_calls=statuses.total() + self._warm_up_calls,
        )


def tls_context(ca_file: str) -> ssl.SSLContext:
    """TLS for HTTP/2."""
    context = ssl.create_default_context(cafile=ca_file)
    context.set_alpn_protocols(["h2"])
    return context


def main() -> None:
    gc.disable()
    result = Generator(Load(**orjson.loads(sys.argv[1]))).run()
    sys.stdout.write(orjson.dumps(asdict(result)).decode())


if __name__ == "__main__":
    main()

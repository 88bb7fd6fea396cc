"""The measurements, each a function of running servers."""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from benchmarks.server.generator import Load, Result
from benchmarks.server.handshakes import Connecting
from benchmarks.server.requests import KINDS
from benchmarks.server.stage import Running, Server, connections_per_s, run

# A load whose size must not matter: some calls at a time, far below what the server can do.
_LIGHT_PER_S = 200.0
Row = dict[str, Any]


class Measured(Protocol):
    """A server of ours, or the empty one."""

    name: str
    port: int
    path: str
    token: str
    ca_file: str

    def cpu_s(self) -> float:
        """Processor seconds of all its processes until now."""
        ...


def load_of(server: Measured, kind: str, seconds: float, **more: Any) -> Load:
    """A load of a server, with what it asks of callers."""
    return Load(server.port, kind, seconds, token=server.token, ca_file=server.ca_file, **more)


def rates(servers: Sequence[Measured], kind: str, seconds: float, rounds: int, folder: Path) -> Row:
    """The most calls/s of each, measured in turns, and the processor time of a call: medians."""
    per_s: dict[str, list[float]] = {server.name: [] for server in servers}
    cpu_us: dict[str, list[float]] = {server.name: [] for server in servers}
    busy = 0.0
    for _ in range(rounds):
        for server in servers:
            before = server.cpu_s()
            result = run(load_of(server, kind, seconds, path=server.path), folder)
            check(result, server.name)
            per_s[server.name].append(result.calls_per_s)
            cpu_us[server.name].append((server.cpu_s() - before) * 1e6 / result.all_calls)
            busy = max(busy, result.generator_cpu)
    return {
        "calls_per_s": {name: round(statistics.median(each)) for name, each in per_s.items()},
        "cpu_us_per_call": {name: round(statistics.median(each), 1) for name, each in cpu_us.items()},
        # Below 1, or the generator is what was measured.
        "generator_cpu": round(busy, 2),
    }


def at_half_load(server: Server, kind: str, most_per_s: float, seconds: float, folder: Path) -> Row:
    """Latencies at half of the most calls/s."""
    result = run(load_of(server, kind, seconds, per_s=most_per_s / 2), folder)
    check(result, f"{server.name}, {kind} at half load")
    return {"per_s": round(most_per_s / 2), **times(result)}


def handshakes(servers: Sequence[Server], seconds: float, rounds: int, folder: Path) -> Row:
    """New connections a second to each, and the processor time of one: medians."""
    per_s: dict[str, list[float]] = {server.name: [] for server in servers}
    cpu_ms: dict[str, list[float]] = {server.name: [] for server in servers}
    for _ in range(rounds):
        for server in servers:
            before = server.cpu_s()
            found = connections_per_s(Connecting(server.port, server.ca_file, seconds), folder)
            per_s[server.name].append(found)
            cpu_ms[server.name].append((server.cpu_s() - before) * 1_000 / (found * seconds))
    return {
        "per_s": {name: round(statistics.median(each)) for name, each in per_s.items()},
        "cpu_ms": {name: round(statistics.median(each), 2) for name, each in cpu_ms.items()},
    }


def cpu_per_call(server: Server, per_s: float, seconds: float, folder: Path) -> float:
    """Processor seconds of a server for each look-up, at this rate."""
    before = server.cpu_s()
    result = run(Load(server.port, "single", seconds, per_s=per_s, warm_up_s=0), folder)
    check(result, server.name)
    return (server.cpu_s() - before) / result.calls


def burst(server: Server, calls: int, connections: int, folder: Path) -> Row:
    """So many look-ups at once: each is answered, or refused and counted by the server."""
    before = server.refused()
    result = run(Load(server.port, "single", connections=connections, burst=calls // connections), folder)
    refused = result.statuses.get("RESOURCE_EXHAUSTED", 0)
    counted = server.refused() - before
    return {
        "calls": calls,
        "statuses": result.statuses,
        "refused_uncounted": refused - int(counted),
        "neither_answered_nor_refused": calls - refused - result.statuses.get("OK", 0),
        "took_ms": round(result.calls / result.calls_per_s * 1_000),
    }


def beside(server: Server, kind: str, other: Load, seconds: float, folder: Path, per_s: float = _LIGHT_PER_S) -> Row:
    """Latencies of a light load while another one does its worst."""
    disturbing = Running(other, folder)
    result = run(Load(server.port, kind, seconds, per_s=per_s, warm_up_s=1.0), folder)
    disturbed = disturbing.result()
    return {**times(result), "statuses": result.statuses, "others": disturbed.statuses}


def lots_of_large(server: Server, calls: int, seconds: float) -> Load:
    """So many callers of 1,000 ids, each waiting for a moment where it is refused."""
    return Load(
        server.port,
        "batch1000",
        seconds=seconds + 1.5,
        connections=8,
        streams=calls // 8,
        backs_off=True,
        warm_up_s=0,
    )


def as_much_as_possible(server: Server, kind: str, seconds: float) -> Load:
    """A closed load that keeps the server busy."""
    return Load(server.port, kind, seconds=seconds + 1.5, backs_off=True, warm_up_s=0)


def times(result: Result) -> Row:
    """Its latencies."""
    return {"p50_ms": round(result.p50_ms, 2), "p99_ms": round(result.p99_ms, 2), "worst_ms": round(result.worst_ms, 1)}


def check(result: Result, what: str) -> None:
    """Raise `RuntimeError` unless every call was answered."""
    if set(result.statuses) != {"OK"}:
        msg = f"{what}: not every call was answered: {result.statuses}"
        raise RuntimeError(msg)


def products_of(kind: str) -> int:
    """Products in one call of this kind."""
    return KINDS[kind][3]

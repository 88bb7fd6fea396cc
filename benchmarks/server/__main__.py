"""How fast the gRPC server is, on one core, and what becomes of calls when there are too many.

    make bench-server            # QUICK=1: within 80 s

Starts Valkey with 20,000 products, and servers of this checkout with each transport, as processes. Servers have one
core; Valkey and the load generator have the other. The store is asked on every call. The most calls/s of the servers,
of those that ask for tokens or for TLS and tokens, and of an empty grpc.aio handler with the same reply, are measured
in turns. Writes benchmarks/results/server.json.
"""

import argparse
import os
import platform
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console

from benchmarks.fleet import ROOT
from benchmarks.server import measures
from benchmarks.server.report import report
from benchmarks.server.secured import secured
from benchmarks.server.stage import CLIENT_CORE, REPLY_BYTES, Empty, Server, fill, on_core
from hangtag.cli.errors import CommandError
from hangtag.cli.local import start_valkey
from hangtag.cli.stopping import Stopped, stopping
from hangtag.settings import RedisSettings

TRANSPORTS = ("grpcio", "native")
# Servers that ask who calls, and what they are compared with.
SECURED = {"grpcio_tokens": "grpcio", "grpcio_tls_tokens": "grpcio", "native_tokens": "native"}
_BURST, _LARGE = 10_000, 400


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.server", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="within 80 s: one round, shorter, overload of one transport"
    )
    parser.add_argument("--seconds", type=float, help="of each measurement (default 4, quick 1)")
    parser.add_argument("--rounds", type=int, help="how often rates are measured in turns (default 5, quick 1)")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks/results/server.json")
    options = parser.parse_args()
    code = 0
    try:
        with stopping():
            result = Bench(quick=options.quick, seconds=options.seconds, rounds=options.rounds).run()
    except Stopped:
        sys.exit(130)
    except CommandError as error:
        say(str(error))
        code = 1
    else:
        options.results.parent.mkdir(parents=True, exist_ok=True)
        options.results.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n")
        report(result)
        say(f"written to {options.results}")
    sys.exit(code)


class Bench:
    """One run of all measurements."""

    def __init__(self, *, quick: bool, seconds: float | None = None, rounds: int | None = None) -> None:
        self._seconds = seconds or (1.0 if quick else 4.0)
        self._rounds = rounds or (1 if quick else 5)
        self._overloaded = TRANSPORTS[-1:] if quick else TRANSPORTS
        self._started = time.monotonic()

    def run(self) -> dict[str, Any]:
        """All figures."""
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            with on_core(CLIENT_CORE):
                valkey = stack.enter_context(start_valkey(folder))
            self._say("storing products and starting servers")
            names = {name: {"server.transport": name} for name in TRANSPORTS}
            names["two_processes"] = {"server.transport": TRANSPORTS[-1], "server.processes": "2"}
            servers = {name: Server(name, valkey.url, folder, more) for name, more in names.items()}
            for server in servers.values():
                stack.callback(server.stop)
            asking = secured(valkey.url, folder)
            for server in asking.values():
                stack.callback(server.stop)
            servers |= asking
            fill(RedisSettings(url=valkey.url))
            for server in servers.values():
                server.wait()
            reply = servers["native"].reply()
            empty = Empty(reply, folder)
            stack.callback(empty.stop)
            return {
                "hardware": hardware(),
                "reply_bytes": len(reply),
                "expected_reply_bytes": REPLY_BYTES,
                **self._measure(servers, empty, folder),
                "took_s": round(time.monotonic() - self._started),
            }

    def _measure(self, servers: dict[str, Server], empty: Empty, folder: Path) -> dict[str, Any]:
        seconds = self._seconds
        single_process = [servers[name] for name in TRANSPORTS]
        look_up_servers = [*single_process, *(servers[name] for name in SECURED)]
        most: dict[str, dict[str, Any]] = {}
        for kind in ("single", "batch100", "short_text"):
            self._say(f"the most calls/s: {kind}")
            compared: list[measures.Measured] = list(single_process if kind == "short_text" else look_up_servers)
            if kind == "single":
                compared.append(empty)
            most[kind] = measures.rates(compared, kind, seconds, self._rounds, folder)
        p99_ms: dict[str, Any] = {}
        for server in look_up_servers:
            for kind, rates in most.items():
                if server.name not in rates["calls_per_s"]:
                    continue
                self._say(f"half load: {server.name}, {kind}")
                p99_ms.setdefault(kind, {})[server.name] = measures.at_half_load(
                    server, kind, rates["calls_per_s"][server.name], seconds, folder
                )
        self._say("processor time for each call")
        per_s, cpu_us = most["single"]["calls_per_s"], most["single"]["cpu_us_per_call"]
        batches_per_s = most["batch100"]["calls_per_s"]
        rate = per_s["native"] / 2
        cpu = {
            "one_process": measures.cpu_per_call(servers["native"], rate, seconds, folder),
            "two_processes": measures.cpu_per_call(servers["two_processes"], rate, seconds, folder),
        }
        self._say("new connections")
        connecting = [servers[name] for name in ("grpcio", "grpcio_tls_tokens")]
        connections = measures.handshakes(connecting, seconds, self._rounds, folder)
        overload = {name: self._overload(servers[name], folder) for name in self._overloaded}
        return {
            "single_per_core": per_s["native"],
            "single_over_empty_aio": ratio(per_s["native"], per_s["empty_aio"]),
            "grpcio_single_over_empty_aio": ratio(per_s["grpcio"], per_s["empty_aio"]),
            # The same ratios by processor time, which other work on the machine disturbs less.
            "single_over_empty_aio_by_cpu": ratio(cpu_us["empty_aio"], cpu_us["native"]),
            "grpcio_single_over_empty_aio_by_cpu": ratio(cpu_us["empty_aio"], cpu_us["grpcio"]),
            "batch100_products_per_s": batches_per_s["native"] * measures.products_of("batch100"),
            "grpcio_batch100_products_per_s": batches_per_s["grpcio"] * measures.products_of("batch100"),
            "most_per_s": most,
            "over_plain": {name: over(most, name, plain) for name, plain in SECURED.items()},
            "new_connections": connections,
            "p99_ms": {kind: {name: row["p99_ms"] for name, row in each.items()} for kind, each in p99_ms.items()},
            "suggest_p99_ms": {name: row["p99_ms"] for name, row in p99_ms["short_text"].items()},
            "half_load": p99_ms,
            "cpu_s_per_call": cpu,
            "two_processes_over_one": ratio(cpu["two_processes"], cpu["one_process"]),
            "memory_mb": {name: round(server.memory_mb()) for name, server in servers.items()},
            "overload": overload,
        }

    def _overload(self, server: Server, folder: Path) -> dict[str, Any]:
        seconds = self._seconds
        self._say(f"overload: {server.name}")
        large = measures.lots_of_large(server, _LARGE, seconds)
        lookups = measures.as_much_as_possible(server, "single", seconds)
        texts = measures.as_much_as_possible(server, "short_text", seconds)
        long_texts = measures.as_much_as_possible(server, "long_text", seconds)
        return {
            "burst": measures.burst(server, _BURST, 50, folder),
            "single_beside_400_of_1000_ids": measures.beside(server, "single", large, seconds, folder),
            "single_beside_suggestions": measures.beside(server, "single", texts, seconds, folder),
            "suggestions_beside_singles": measures.beside(server, "short_text", lookups, seconds, folder, per_s=20),
            "short_texts_beside_long": measures.beside(server, "short_text", long_texts, seconds, folder, per_s=5),
        }

    def _say(self, what: str) -> None:
        say(f"[{time.monotonic() - self._started:4.0f} s] {what}")


def hardware() -> dict[str, Any]:
    """The machine, and what else it was doing."""
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.processor(),
    )
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 1),
        "server_core": "one core",
        "valkey_and_generator_core": "the other one",
    }


def over(most: dict[str, dict[str, Any]], name: str, plain: str) -> dict[str, dict[str, float]]:
    """Calls/s and processor time of a server over those of a plain one, by kind of look-up."""
    return {
        key: {kind: ratio(most[kind][key][name], most[kind][key][plain]) for kind in ("single", "batch100")}
        for key in ("calls_per_s", "cpu_us_per_call")
    }


def ratio(part: float, whole: float) -> float:
    """A ratio with two digits."""
    return round(part / whole, 2)


def say(text: str) -> None:
    Console(stderr=True, highlight=False).print(text, markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()

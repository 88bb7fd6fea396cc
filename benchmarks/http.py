"""What a call costs the server over gRPC and over HTTP, in processor time: `python -m benchmarks.http`.

Starts Valkey with 20,000 products and `hangtag serve` with both ways in, on one core. Each way is measured in turns,
over four connections, one call at a time on each. Writes benchmarks/results/http.json.

    python -m benchmarks.http --rounds 5
"""

import argparse
import http.client
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import grpc
import orjson
from google.protobuf import json_format
from rich.console import Console
from rich.table import Table

from benchmarks.fleet import ROOT
from benchmarks.server.requests import KINDS, SERVICE
from benchmarks.server.stage import CLIENT_CORE, Server, fill, on_core
from hangtag.cli.local import free_port, start_valkey
from hangtag.cli.stopping import Stopped, stopping
from hangtag.settings import RedisSettings
from hangtag.v1 import tags_pb2

CONNECTIONS = 4
# Calls of one connection in one round.
CALLS = {"single": 500, "batch100": 60, "batch1000": 10}
WAYS = ("gRPC", "HTTP, JSON", "HTTP, protobuf")
TYPES = {"HTTP, JSON": "application/json", "HTTP, protobuf": "application/proto"}

# Makes one call with a serialised request.
Call = Callable[[str, bytes], int]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.http", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often each way is measured")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks/results/http.json")
    options = parser.parse_args()
    try:
        with stopping():
            found = measured(options.rounds)
    except Stopped:
        sys.exit(130)
    options.results.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2) + b"\n")
    table = Table("call", *(f"{way}: us of the processor, ms" for way in WAYS))
    for kind, row in found.items():
        table.add_row(kind, *(f"{row[way]['cpu_us']:,.0f}, {row[way]['ms']:.1f}" for way in WAYS))
    Console().print(table)


def measured(rounds: int) -> dict[str, dict[str, dict[str, float]]]:
    """Processor time of the server and time of the caller for each call, by kind of call and way: medians of rounds."""
    http_port = free_port()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        with on_core(CLIENT_CORE):
            valkey = stack.enter_context(start_valkey(folder))
        fill(RedisSettings(url=valkey.url))
        server = Server("both", valkey.url, folder, {"server.http_port": str(http_port)})
        stack.callback(server.stop)
        server.wait()
        figures: dict[str, dict[str, dict[str, list[float]]]] = {}
        for turn in range(rounds + 1):
            for kind in CALLS:
                for way in WAYS:
                    cpu_us, ms = one_round(server, http_port, kind, way)
                    if turn:  # the first one warms up
                        row = figures.setdefault(kind, {}).setdefault(way, {"cpu_us": [], "ms": []})
                        row["cpu_us"].append(cpu_us)
                        row["ms"].append(ms)
            print(f"round {turn} of {rounds} (0: warm-up)", file=sys.stderr)
    return {
        kind: {
            way: {name: round(statistics.median(each), 2) for name, each in row.items()} for way, row in ways.items()
        }
        for kind, ways in figures.items()
    }


def one_round(server: Server, http_port: int, kind: str, way: str) -> tuple[float, float]:
    """Microseconds of the server's processor and milliseconds of a caller, for one call."""
    method, request, different, _ = KINDS[kind]
    bodies = [body_of(method, request(number % different), way) for number in range(CALLS[kind])]

    def call_all(_: int) -> float:
        with ExitStack() as stack:
            call = caller(stack, server.port, http_port, way)
            call(method, bodies[0])
            began = time.perf_counter()
            for body in bodies:
                assert call(method, body) > 0
            return time.perf_counter() - began

    with ThreadPoolExecutor(CONNECTIONS) as threads:
        before = server.cpu_s()
        seconds = list(threads.map(call_all, range(CONNECTIONS)))
        cpu_s = server.cpu_s() - before
    calls = len(bodies) * CONNECTIONS
    return cpu_s * 1e6 / (calls + CONNECTIONS), sum(seconds) * 1e3 / calls


def body_of(method: str, request: bytes, way: str) -> bytes:
    """The body of a request."""
    if way != "HTTP, JSON":
        return request
    kind = getattr(tags_pb2, f"{method}Request")
    return json.dumps(json_format.MessageToDict(kind.FromString(request))).encode()


def caller(stack: ExitStack, port: int, http_port: int, way: str) -> Call:
    """Makes calls over one connection, which ends with the stack; returns the size of the reply."""
    if way == "gRPC":
        options = [("grpc.use_local_subchannel_pool", 1)]
        channel = stack.enter_context(grpc.insecure_channel(f"127.0.0.1:{port}", options=options))
        return lambda method, body: len(channel.unary_unary(f"{SERVICE}/{method}")(body, timeout=30))
    connection = http.client.HTTPConnection("127.0.0.1", http_port, timeout=30)
    stack.callback(connection.close)

    def call(method: str, body: bytes) -> int:
        connection.request("POST", f"{SERVICE}/{method}", body, {"content-type": TYPES[way]})
        reply = connection.getresponse()
        read = reply.read()
        assert reply.status == 200, read
        return len(read)

    return call


if __name__ == "__main__":
    main()

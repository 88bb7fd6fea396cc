"""Whether look-ups fail while the servers are replaced one by one, at a fixed rate of look-ups.

    python -m benchmarks.server.rolling --servers 3 --per-s 300

Starts Valkey with 20,000 products and servers of this checkout. One client with the service config that
docs/contracts.md recommends looks up one product per call, at the same rate whatever the answers take, and each server
is stopped and started again on its port meanwhile. A call that fails is counted with its status; none should.
Latencies count from the time at which a call was due.
"""

import argparse
import os
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from benchmarks.fleet import ROOT, Program
from benchmarks.server.stage import fill
from hangtag.cli.errors import CommandError
from hangtag.cli.local import Child, free_port, start_valkey
from hangtag.cli.stopping import Stopped, stopping
from hangtag.settings import RedisSettings, Settings

TRANSPORTS = ("grpcio", "native")
# Between two replacements, for the client to use the new server.
_STILL_S = 2.0
_PATIENCE_S = 120.0
_LOOK_EVERY_S = 0.1


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.server.rolling",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--servers", type=int, default=3)
    parser.add_argument("--per-s", type=int, default=300, help="look-ups per second")
    parser.add_argument("--rounds", type=int, default=1, help="how often each server is replaced")
    parser.add_argument("--transports", nargs="*", choices=TRANSPORTS, default=TRANSPORTS)
    options = parser.parse_args()
    try:
        with stopping():
            found = {name: run(name, options.servers, options.per_s, options.rounds) for name in options.transports}
    except Stopped:
        sys.exit(130)
    except CommandError as error:
        sys.exit(str(error))
    report(found)


def run(transport: str, servers: int, per_s: int, rounds: int) -> dict[str, Any]:
    """Replace each server of a transport under load.

    Raises:
        CommandError: a server ended, or does not become ready.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings = Settings(redis=RedisSettings(url=stack.enter_context(start_valkey(folder)).url))
        fill(settings.redis)
        ports = [free_port() for _ in range(servers)]
        running = [start(transport, port, settings, folder) for port in ports]
        stack.callback(lambda: [program.stop() for program in running])
        for program in running:
            wait_until_ready(program)
        command = [sys.executable, "-m", "benchmarks.server.steady", str(per_s), *map(str, ports)]
        lookups = Child("steady", command, folder, {**os.environ, "PYTHONPATH": str(ROOT)})
        stack.callback(lookups.stop)
        took_s = []
        for turn in range(rounds * servers):
            time.sleep(_STILL_S)
            number = turn % servers
            took_s.append(running[number].stop())
            running[number] = start(transport, ports[number], settings, folder)
            wait_until_ready(running[number])
            say(f"{transport}: server {number + 1} of {servers} replaced, stopped in {took_s[-1]:.1f} s")
        time.sleep(_STILL_S)
        lookups.ask_to_stop()
        if not lookups.ends_within(_PATIENCE_S) or lookups.exit_code:
            raise CommandError(lookups.exit_report())
        row: dict[str, Any] = orjson.loads(lookups.log.read_bytes())
        return {"servers": servers, "replaced": len(took_s), "stopped_in_s": max(took_s), **row}


def start(transport: str, port: int, settings: Settings, folder: Path) -> Program:
    """A server of this checkout on a port."""
    more = {"server.port": str(port), "server.transport": transport, "server.follow": "false", "model.threads": "1"}
    return Program("serve", f"{transport}-{port}", settings, folder, more)


def wait_until_ready(program: Program) -> None:
    """Wait until a server says that it is ready.

    Raises:
        CommandError: it ended, or takes too long.
    """
    give_up = time.monotonic() + _PATIENCE_S
    while True:
        if not program.child.is_running:
            raise CommandError(program.child.exit_report())
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{program.port}/readyz", timeout=5):
                return
        except OSError as error:  # also an answer that says no
            if time.monotonic() > give_up:
                msg = f"{program.name} is not ready after {_PATIENCE_S:.0f} s: {error}\n{program.child.tail()}"
                raise CommandError(msg) from error
        time.sleep(_LOOK_EVERY_S)


def report(found: dict[str, dict[str, Any]]) -> None:
    table = Table("transport", "servers replaced", "look-ups", "failed", "p50, ms", "p99, ms", "slowest, ms")
    for name, row in found.items():
        figures = (f"{row[key]:.1f}" for key in ("p50_ms", "p99_ms", "worst_ms"))
        table.add_row(name, str(row["replaced"]), f"{row['calls']:,}", str(row["failed"]), *figures)
    Console(stderr=True).print(table)
    sys.stdout.write(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() + "\n")


def say(text: str) -> None:
    Console(stderr=True, highlight=False).print(text, markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()

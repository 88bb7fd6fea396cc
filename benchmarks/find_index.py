"""An index process of a benchmark."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks.fleet import Program
from hangtag.cli.errors import CommandError
from hangtag.cli.local import free_port
from hangtag.settings import Settings

_PATIENCE_S = 600.0


@contextmanager
def index(settings: Settings, folder: Path, snapshots: Path) -> Iterator[tuple[str, Program, float]]:
    """An index process that is complete: its address, the program, and the seconds from its start until then."""
    port = free_port()
    more = {
        "kafka.tagged_topic": settings.kafka.tagged_topic,
        "index.port": str(port),
        "index.snapshot_dir": str(snapshots),
    }
    started = time.monotonic()
    program = Program("index", f"index-{settings.kafka.tagged_topic}", settings, folder, more)
    try:
        wait_until_serving(f"127.0.0.1:{port}", program)
        yield f"127.0.0.1:{port}", program, time.monotonic() - started
    finally:
        program.stop()


def wait_until_serving(address: str, program: Program) -> None:
    """Wait for its health.

    Raises:
        CommandError: it ended, or takes too long.
    """
    give_up = time.monotonic() + _PATIENCE_S
    with grpc.insecure_channel(address, [("grpc.max_reconnect_backoff_ms", 200)]) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        while time.monotonic() < give_up:
            if not program.child.is_running:
                raise CommandError(program.child.exit_report())
            try:
                if health.Check(health_pb2.HealthCheckRequest(), timeout=1).status == 1:
                    return
            except grpc.RpcError:
                pass
            time.sleep(0.05)
    msg = f"{program.name} is not ready after {_PATIENCE_S:.0f} s\n{program.child.tail()}"
    raise CommandError(msg)

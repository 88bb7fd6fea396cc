"""Worker, server, reader of arrivals and index on this machine, as child processes."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hangtag.cli.errors import CommandError
from hangtag.cli.local import Child, explicit_settings, free_port, port_or_another
from hangtag.settings import ClientSettings, Settings, secret_file_variable_of, variable_of

_DEADLINE_S = 90
_CHECK_EVERY_S = 0.1
# The settings of each command.
GROUPS = {"work": "worker", "arrivals": "arrivals", "index": "index", "serve": "server"}
WORDS = {"index": ["index", "serve"]}


@dataclass(frozen=True, slots=True)
class Programs:
    """The child processes, the address of the server, and how it is called."""

    worker: Child
    arrivals: Child
    index: Child
    server: Child
    host: str
    port: int
    client: ClientSettings

    def check(self) -> None:
        """Do nothing while all are running.

        Raises:
            CommandError: one ended; the message has the end of its log.
        """
        for child in (self.worker, self.arrivals, self.index, self.server):
            if not child.is_running:
                raise CommandError(child.exit_report())

    def wait_for_server(self, meanwhile: Callable[[], None]) -> None:
        """Wait until the server's health is SERVING, and call `meanwhile` between the checks.

        Raises:
            CommandError: a program ended, or the server is not ready in time.
        """
        import grpc  # noqa: PLC0415
        from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: PLC0415

        from hangtag.cli.channel import open_channel  # noqa: PLC0415

        deadline = time.monotonic() + _DEADLINE_S
        options = [("grpc.max_reconnect_backoff_ms", 200)]
        with open_channel(f"{self.host}:{self.port}", self.client, options) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            while time.monotonic() < deadline:
                self.check()
                meanwhile()
                with suppress(grpc.RpcError):
                    answer = health.Check(health_pb2.HealthCheckRequest(), timeout=1)
                    if answer.status == health_pb2.HealthCheckResponse.SERVING:
                        return
                self.server.ends_within(_CHECK_EVERY_S)
        msg = f"the server is not ready after {_DEADLINE_S} s; end of its log {self.server.log}:\n"
        raise CommandError(msg + self.server.tail().rstrip())


def environment_with(addresses: Mapping[str, str]) -> dict[str, str]:
    """The environment of this process with these settings, which replace those that it has or names a file for."""
    files = {secret_file_variable_of(name) for name in addresses}
    environment = {name: value for name, value in os.environ.items() if name not in files}
    return environment | {variable_of(name): value for name, value in addresses.items()}


def start_program(name: str, command: str, settings: Settings, folder: Path, more: Mapping[str, str]) -> Child:
    """Start a command of Hangtag with the addresses of these settings, `more` settings, and its log in `folder`.

    Its page has any free port unless one is set, since several may run on one machine.
    """
    page = f"{GROUPS[command]}.metrics_port"
    addresses = {
        "kafka.bootstrap": settings.kafka.bootstrap,
        "redis.url": settings.redis.url.get_secret_value(),
        **({} if page in explicit_settings() else {page: "0"}),
        **more,
    }
    # -P: a folder named `hangtag` in the working folder is not imported instead.
    words = WORDS.get(command, [command])
    return Child(name, [sys.executable, "-P", "-m", "hangtag.cli", *words], folder, environment_with(addresses))


@contextmanager
def index_address(settings: Settings, folder: Path) -> Iterator[dict[str, str]]:
    """Where an index is to listen, as settings of the index and of servers: its own port, or another that is free.

    Its snapshot is in `folder`, unless a folder is set.
    """
    port = settings.index.port
    with ExitStack() as holding:
        if not port:
            port = free_port()
        elif "index.port" not in explicit_settings():
            port = holding.enter_context(port_or_another(port))
        host = settings.index.host if "index.host" in explicit_settings() else "127.0.0.1"
        snapshots = {} if settings.index.snapshot_dir else {"index.snapshot_dir": str(folder / "index")}
        page = settings.index.metrics_port
        if page and "index.metrics_port" not in explicit_settings():
            page = holding.enter_context(port_or_another(page))
        snapshots["index.metrics_port"] = str(page)
        yield snapshots | {"index.host": host, "index.port": str(port), "server.index_address": f"{host}:{port}"}


@contextmanager
def programs(settings: Settings, folder: Path) -> Iterator[Programs]:
    """Start a worker, a reader of arrivals, an index and a server, with logs in `folder`; stop them after the block.

    Unless `server.port` is set, the server listens on its default port (50051) if it is free.
    """
    explicit, port = explicit_settings(), settings.server.port
    host = settings.server.host if "server.host" in explicit else "127.0.0.1"
    with ExitStack() as running:
        if not port:
            port = free_port()
        elif "server.port" not in explicit:
            port = running.enter_context(port_or_another(port))
        address = {"server.host": host, "server.port": str(port)}
        address |= running.enter_context(index_address(settings, folder))

        def start(command: str) -> Child:
            child = start_program(GROUPS[command], command, settings, folder, address)
            running.callback(child.stop)
            return child

        started = Programs(
            start("work"), start("arrivals"), start("index"), start("serve"), host, port, settings.client
        )
        try:
            yield started
        finally:
            for child in (
                started.worker,
                started.arrivals,
                started.index,
            ):  # all end at the same time; the stack waits for them
                child.ask_to_stop()

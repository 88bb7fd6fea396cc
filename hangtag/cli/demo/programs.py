"""The worker and the server of the demo, as child processes."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hangtag.cli.errors import CommandError
from hangtag.cli.local import Child, explicit_settings, free_port, port_or_another
from hangtag.settings import Settings, secret_file_variable_of, variable_of

_DEADLINE_S = 90
_CHECK_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class Programs:
    """The two child processes and the address of the server."""

    worker: Child
    server: Child
    host: str
    port: int

    def check(self) -> None:
        """Do nothing while both are running.

        Raises:
            CommandError: one ended; the message has the end of its log.
        """
        for child in (self.worker, self.server):
            if not child.is_running:
                raise CommandError(child.exit_report())

    def wait_for_server(self, meanwhile: Callable[[], None]) -> None:
        """Wait until the server's health is SERVING, and call `meanwhile` between the checks.

        Raises:
            CommandError: a program ended, or the server is not ready in time.
        """
        import grpc  # noqa: PLC0415
        from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: PLC0415

        deadline = time.monotonic() + _DEADLINE_S
        with grpc.insecure_channel(f"{self.host}:{self.port}", [("grpc.max_reconnect_backoff_ms", 200)]) as channel:
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


@contextmanager
def programs(settings: Settings, folder: Path) -> Iterator[Programs]:
    """Start a worker and a server with their logs in `folder`, and stop both at the end of the block.

    Unless `server.port` is set, the server listens on its default port (50051) if it is free.
    """
    explicit, port = explicit_settings(), settings.server.port
    host = settings.server.host if "server.host" in explicit else "127.0.0.1"
    with ExitStack() as running:
        if not port:
            port = free_port()
        elif "server.port" not in explicit:
            port = running.enter_context(port_or_another(port))
        addresses = {
            "kafka.bootstrap": settings.kafka.bootstrap,
            "redis.url": settings.redis.url.get_secret_value(),
            "server.host": host,
            "server.port": str(port),
        }
        # Several demos may run on one machine.
        addresses |= {name: "0" for name in ("worker.metrics_port", "server.metrics_port") if name not in explicit}
        environment = environment_with(addresses)

        def start(name: str, command: str) -> Child:
            # -P: a folder named `hangtag` in the working folder is not imported instead.
            child = Child(name, [sys.executable, "-P", "-m", "hangtag.cli", command], folder, environment)
            running.callback(child.stop)
            return child

        pair = Programs(start("worker", "work"), start("server", "serve"), host, port)
        try:
            yield pair
        finally:
            pair.worker.ask_to_stop()  # both end at the same time; the stack waits for them

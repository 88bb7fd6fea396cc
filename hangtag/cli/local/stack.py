"""A broker and a tag store on this machine, as long as this process runs."""

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Never

from pydantic import SecretStr

from hangtag.cli.local.broker import broker_kind, start_broker
from hangtag.cli.local.child import Child
from hangtag.cli.local.errors import LocalError
from hangtag.cli.local.server import LocalServer, port_or_another
from hangtag.cli.local.topics import create_topics
from hangtag.cli.local.valkey import start_valkey
from hangtag.settings import Settings, load_settings, resolve

_CHECK_EVERY_S = 0.5


def explicit_settings() -> frozenset[str]:
    """Names of the settings that are set in the environment or the settings file."""
    return frozenset(setting.name for setting in resolve() if setting.origin != "default")


class LocalStack:
    """Starts the servers and creates the topics; entering returns the settings with the servers' addresses.

    A server that is set explicitly (`kafka.bootstrap`, `redis.url`) is used instead of a local one and never stopped.
    The broker listens on the default port of the settings (9092) if it is free, so that clients need no address.
    Enter from the main thread: the children end with the thread that started them.
    """

    def __init__(self) -> None:
        self._exit = ExitStack()
        self._servers: list[LocalServer] = []
        self._beside: list[Child] = []
        self.folder: Path | None = None

    @property
    def servers(self) -> tuple[LocalServer, ...]:
        """The local servers that were started."""
        return tuple(self._servers)

    def __enter__(self) -> Settings:
        """Start the servers and wait until they are ready and the topics exist.

        Raises:
            LocalError: a server cannot be started or does not answer; the message has the end of its log.
            SettingsError: a setting is wrong.
        """
        with ExitStack() as starting:
            settings, explicit = load_settings(), explicit_settings()
            self.folder = Path(starting.enter_context(tempfile.TemporaryDirectory(prefix="hangtag-")))
            # Start both before waiting for either.
            if "redis.url" not in explicit:
                valkey = self._start(start_valkey(self.folder), starting)
                url = {"url": SecretStr(valkey.url)}
                settings = settings.model_copy(update={"redis": settings.redis.model_copy(update=url)})
            local_broker = None
            if "kafka.bootstrap" not in explicit:
                default = int(settings.kafka.bootstrap.rpartition(":")[2])
                port = starting.enter_context(port_or_another(default))
                local_broker = self._start(start_broker(broker_kind(), self.folder, port=port), starting)
                bootstrap = {"bootstrap": local_broker.url}
                settings = settings.model_copy(update={"kafka": settings.kafka.model_copy(update=bootstrap)})
            for server in self._servers:
                server.wait_until_ready()
            try:
                create_topics(
                    settings.kafka,
                    deleted_ttl_s=settings.redis.deleted_ttl_s,
                    replication=1 if local_broker else -1,
                )
            except LocalError as error:
                if local_broker is None:
                    raise
                msg = f"{error}\nend of the log of {local_broker.child.name}:\n{local_broker.child.tail()}"
                raise LocalError(msg.rstrip()) from error
            self._exit = starting.pop_all()
        return settings

    def beside(self, child: Child) -> Child:
        """A program that uses the servers: it is checked with them and stopped before them."""
        self._beside.append(child)
        return child

    def check(self) -> None:
        """Do nothing while every started server is running, and what is beside them.

        Raises:
            LocalError: one ended; the message has the end of its log.
        """
        for child in (*(server.child for server in self._servers), *self._beside):
            if not child.is_running:
                raise LocalError(child.exit_report())

    def wait(self) -> Never:
        """Check the servers for ever; errors as in `check`."""
        while True:
            self.check()
            time.sleep(_CHECK_EVERY_S)

    def __exit__(self, *_: object) -> None:
        for child in self._beside:
            child.stop()
        for server in self._servers:  # signal all of them before waiting for each
            server.child.ask_to_stop()
        self._exit.close()
        self._servers.clear()
        self._beside.clear()

    def _start(self, server: LocalServer, starting: ExitStack) -> LocalServer:
        starting.callback(server.stop)
        self._servers.append(server)
        return server

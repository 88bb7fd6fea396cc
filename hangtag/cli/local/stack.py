"""Broker and tag store on this machine, for as long as we run."""

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Never

from pydantic import SecretStr

from hangtag.cli.local.broker import broker_kind, start_broker
from hangtag.cli.local.errors import LocalError
from hangtag.cli.local.server import LocalServer
from hangtag.cli.local.topics import create_topics
from hangtag.cli.local.valkey import start_valkey
from hangtag.settings import Settings, load_settings, resolve

_LOOK_EVERY_S = 0.5


def chosen() -> frozenset[str]:
    """Names of the settings that the environment or the settings file sets."""
    return frozenset(setting.name for setting in resolve() if setting.origin != "default")


class LocalStack:
    """Starts what the settings do not name and creates the topics; entering gives the settings to work with.

    A server that is set explicitly (`kafka.bootstrap`, `redis.url`) is used as it is, and left as it is. Enter from the
    main thread: the children end with the thread that started them.
    """

    def __init__(self) -> None:
        self._exit = ExitStack()
        self._servers: list[LocalServer] = []
        self.folder: Path | None = None

    @property
    def servers(self) -> tuple[LocalServer, ...]:
        """What was started."""
        return tuple(self._servers)

    def __enter__(self) -> Settings:
        """Return when every server answers and the topics exist.

        Raises:
            LocalError: a server cannot be started or reached; with the tail of its log.
            SettingsError: a setting is wrong.
        """
        with ExitStack() as starting:
            settings, named = load_settings(), chosen()
            self.folder = Path(starting.enter_context(tempfile.TemporaryDirectory(prefix="hangtag-")))
            # Both first, then wait: they start side by side.
            if "redis.url" not in named:
                valkey = self._started(start_valkey(self.folder), starting)
                url = {"url": SecretStr(valkey.url)}
                settings = settings.model_copy(update={"redis": settings.redis.model_copy(update=url)})
            own_broker = None
            if "kafka.bootstrap" not in named:
                own_broker = self._started(start_broker(broker_kind(), self.folder), starting)
                bootstrap = {"bootstrap": own_broker.url}
                settings = settings.model_copy(update={"kafka": settings.kafka.model_copy(update=bootstrap)})
            for server in self._servers:
                server.wait_until_ready()
            try:
                create_topics(
                    settings.kafka,
                    deleted_ttl_s=settings.redis.deleted_ttl_s,
                    replication=1 if own_broker else -1,
                )
            except LocalError as error:
                if own_broker is None:
                    raise
                msg = f"{error}\nlog of {own_broker.child.name}:\n{own_broker.child.tail()}"
                raise LocalError(msg.rstrip()) from error
            self._exit = starting.pop_all()
        return settings

    def check(self) -> None:
        """Return at once while everything that was started runs.

        Raises:
            LocalError: a server ended; with the tail of its log.
        """
        for server in self._servers:
            if not server.child.is_running:
                raise LocalError(server.child.obituary())

    def wait(self) -> Never:
        """Return never; errors as in `check`."""
        while True:
            self.check()
            time.sleep(_LOOK_EVERY_S)

    def __exit__(self, *_: object) -> None:
        for server in self._servers:  # all at once, then collected one by one
            server.child.ask_to_stop()
        self._exit.close()
        self._servers.clear()

    def _started(self, server: LocalServer, starting: ExitStack) -> LocalServer:
        starting.callback(server.stop)
        self._servers.append(server)
        return server

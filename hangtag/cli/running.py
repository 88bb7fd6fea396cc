"""The demo that runs in this folder: where it listens, so that other commands find it."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import SecretStr

from hangtag.cli.errors import CommandError
from hangtag.cli.local import chosen
from hangtag.settings import Settings, load_settings

STATE_FILE = Path(".hangtag/demo.json")


@dataclass(frozen=True, slots=True)
class Running:
    """Process id and addresses of a running demo."""

    pid: int
    bootstrap: str
    redis: str
    host: str
    port: int


@contextmanager
def announced(bootstrap: str, redis: str, host: str, port: int) -> Iterator[None]:
    """Tell other commands in this folder where the demo listens, for as long as the block runs.

    The file is locked meanwhile: a file without a lock was left by a demo that was killed.

    Raises:
        CommandError: another demo runs in this folder.
    """
    STATE_FILE.parent.mkdir(exist_ok=True)
    with STATE_FILE.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            msg = f"another demo runs in this folder ({STATE_FILE}): stop it with Ctrl-C, or use another folder"
            raise CommandError(msg) from None
        file.truncate(0)
        json.dump(asdict(Running(os.getpid(), bootstrap, redis, host, port)), file)
        file.flush()
        try:
            yield
        finally:
            STATE_FILE.unlink(missing_ok=True)


def find_running() -> Running | None:
    """The demo that runs in this folder, if one does."""
    with suppress(OSError, ValueError, TypeError), STATE_FILE.open(encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return Running(**json.load(file))
    return None


def settings_here() -> Settings:
    """The settings, with the addresses of the running demo where none are set explicitly."""
    settings, named, demo = load_settings(), chosen(), find_running()
    if demo is None:
        return settings
    addresses = {
        ("kafka", "bootstrap"): demo.bootstrap,
        ("redis", "url"): SecretStr(demo.redis),
        ("server", "host"): demo.host,
        ("server", "port"): demo.port,
    }
    # A server that is named is another one: its host does not mix with the demo's port.
    if named & {"server.host", "server.port"}:
        named |= {"server.host", "server.port"}
    groups = {group: getattr(settings, group) for group, _ in addresses}
    for (group, leaf), value in addresses.items():
        if f"{group}.{leaf}" not in named:
            groups[group] = groups[group].model_copy(update={leaf: value})
    return settings.model_copy(update=groups)

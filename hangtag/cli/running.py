"""The demo that runs in this folder: its addresses, so that other commands can use it."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import SecretStr

from hangtag.cli.errors import CommandError
from hangtag.cli.local import explicit_settings
from hangtag.settings import Settings, load_settings

STATE_FILE = Path(".hangtag/demo.json")
_OWNER_ONLY = 0o600


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
    """Publish the demo's addresses to other commands in this folder while the block runs.

    The file is locked during that time; an unlocked file was left behind by a killed demo.

    Raises:
        CommandError: another demo is running in this folder.
    """
    STATE_FILE.parent.mkdir(exist_ok=True)
    # The address of the tag store may contain a password.
    with open(STATE_FILE, "a+", encoding="utf-8", opener=_private) as file:
        os.fchmod(file.fileno(), _OWNER_ONLY)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            msg = f"another demo is running in this folder ({STATE_FILE}): stop it with Ctrl-C, or use another folder"
            raise CommandError(msg) from None
        file.truncate(0)
        json.dump(asdict(Running(os.getpid(), bootstrap, redis, host, port)), file)
        file.flush()
        try:
            yield
        finally:
            STATE_FILE.unlink(missing_ok=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, _OWNER_ONLY)


def find_running() -> Running | None:
    """The demo that is running in this folder; None if there is none."""
    with suppress(OSError, ValueError, TypeError), STATE_FILE.open(encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return Running(**json.load(file))
    return None


def settings_here() -> Settings:
    """The settings; addresses that are not set explicitly are those of the running demo."""
    settings, explicit, demo = load_settings(), explicit_settings(), find_running()
    if demo is None:
        return settings
    addresses = {
        ("kafka", "bootstrap"): demo.bootstrap,
        ("redis", "url"): SecretStr(demo.redis),
        ("server", "host"): demo.host,
        ("server", "port"): demo.port,
    }
    # Host and port belong together: an explicit host must not be combined with the demo's port.
    if explicit & {"server.host", "server.port"}:
        explicit |= {"server.host", "server.port"}
    groups = {group: getattr(settings, group) for group, _ in addresses}
    for (group, leaf), value in addresses.items():
        if f"{group}.{leaf}" not in explicit:
            groups[group] = groups[group].model_copy(update={leaf: value})
    return settings.model_copy(update=groups)

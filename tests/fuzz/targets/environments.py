"""Environment variables that begin with HANGTAG_: one a line, `NAME=value`."""

import os
from unittest.mock import patch

from hangtag.settings import SettingsError, load_settings
from hangtag.settings.sources import resolve
from tests.fuzz.contract import refused

_MOST = 8

SEEDS = (
    b"KAFKA__BOOTSTRAP=kafka-1:9092\nREDIS__URL=redis://user:hunter2@cache:6379/0?db=1\nWORKER__WINDOW=512",
    b"WORKER__WINDOW=1_0\nWORKER__RETRY_DEADLINE_S=nan\nWORKER__MAX_WAIT_MS=-0",
    b'WORKER={"window": 5}\nKAFKA=[[[[\nSERVER__PORT=65536',
    b"WORKER__WINDOW=" + b"9" * 5_000,
    b"KAFKA__BOOTSTRAP=[::1]:9092,\xff\nKAFKA__GROUP=\nKAFKA__CA_FILE=",
    b"REDIS__URL_FILE=/dev/null\nSERVICE_PORT=tcp://10.0.0.1:80\nSERVICE_HOST=x",
    b"kafka__bootstrap=kafka-1:9092\nKafka__Bootstrap=x\nx=y",
    b"MODEL__THREADS=0\nMODEL__ENGINE=auto\nMODEL__BUNDLE=\x01",
)


def target(data: bytes) -> str:
    """Read the settings, and show them; an environment holds no zero bytes."""
    pairs = [line.partition(b"=") for line in data.replace(b"\x00", b"").split(b"\n")[:_MOST]]
    found = {os.fsdecode(b"HANGTAG_" + name): os.fsdecode(value) for name, _, value in pairs}
    # Files that a secret is read from are the operator's own.
    found = {name: value for name, value in found.items() if not name.upper().endswith(("_FILE", "_CONFIG"))}
    with patch.dict(os.environ, found):
        try:
            load_settings()
        except SettingsError as error:
            outcome = refused(error, b"".join(value for _, _, value in pairs if len(value) > 1))
            return outcome.replace("HANGTAG_", "")
        return f"{len({each.origin for each in resolve()})} origins"

"""Settings files: TOML, or anything else."""

import os
from unittest.mock import patch

from hangtag.settings import SettingsError, load_settings
from hangtag.settings.sources import FILE_VARIABLE, resolve
from tests.fuzz.contract import refused
from tests.fuzz.scratch import scratch

_FILE = scratch() / "hangtag.toml"
# Python's parser takes quadratic time for a key of thousands of dotted parts, and the file is the operator's own.
_MAX_BYTES = 8_192

SEEDS = (
    b'[kafka]\nbootstrap = "kafka-1:9092,kafka-2:9092"\n[redis]\nurl = "redis://cache:6379/0"\nbuckets = 64\n',
    b"[worker]\nwindow = 2048\nretry_deadline_s = 1e999\n[server]\nport = 50051\n",
    b"[worker]\nwindow = " + b"9" * 5_000,
    b"worker.window = nan\nworker.windo = 1\n",
    b'kafka = 3\n"" = 1\n"kafka.group" = "x"\n',
    b"[[kafka]]\n[[kafka]]\n",
    b"a = " + b"[" * 2_000,
    b"a = " + b"{a=" * 2_000,
    b".".join([b"a"] * 500) + b" = 1",
    b"a = 2000-02-30T25:00:00Z",
    b'[kafka]\nca_file = "a\\u0000b"\ngroup = "\\ud800"\n',
    b"\xef\xbb\xbf[kafka]",
    b"\xff\xfe[\x00",
    b"",
)


def target(data: bytes) -> str:
    """Read the settings, and show them."""
    _FILE.write_bytes(data[:_MAX_BYTES])
    with patch.dict(os.environ, {FILE_VARIABLE: str(_FILE)}):
        try:
            load_settings()
        except SettingsError as error:
            return refused(error, data).replace(str(_FILE), "")
        return f"{len({each.origin for each in resolve()})} origins"

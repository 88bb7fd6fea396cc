"""Bundle folders in which files are missing, truncated, swapped, linked or of another type, and ones too many.

Two bytes an operation: what is done, and to which file.
"""

import os
import shutil
from pathlib import Path

from hangtag.bundle import BundleError, load_bundle, upgrade_bundle
from hangtag.bundle.files import CALIBRATION, MANIFEST, MODEL, SCHEMA, THRESHOLDS, TOKENIZER
from tests.bundles import write_tiny_bundle
from tests.fuzz.contract import refused
from tests.fuzz.scratch import scratch

_FILES = (MANIFEST, SCHEMA, THRESHOLDS, CALIBRATION, TOKENIZER, MODEL)
_MOST_OPERATIONS = 6
_MOST_CHARS = 4_000
_VALID, _USED = scratch() / "valid", scratch() / "used"
write_tiny_bundle(_VALID)
_OTHER = scratch() / "other"
write_tiny_bundle(_OTHER, seed=1)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _truncate(path: Path) -> None:
    if path.is_file():
        os.truncate(path, path.stat().st_size // 2)


def _replaced(path: Path, make: str, to: str = "") -> None:
    _remove(path)
    if make == "link":
        path.symlink_to(to)
    elif make == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()


_OPERATIONS = (
    _remove,
    _truncate,
    lambda path: _replaced(path, "folder"),
    lambda path: _replaced(path, "pipe"),
    lambda path: _replaced(path, "link", path.name),
    lambda path: _replaced(path, "link", "/dev/zero"),
    lambda path: _replaced(path, "link", f"../valid/{path.name}"),
    lambda path: _replaced(path, "link", f"../other/{path.name}"),
    lambda path: path.with_name(f"extra-{path.name}").write_bytes(b"x"),
    lambda path: path.with_name(f".{path.name}").write_bytes(b"x"),
    lambda path: Path(os.fsdecode(os.fsencode(path.parent) + b"/\xff\n")).write_bytes(b"x"),
)

SEEDS = tuple(bytes([what, file]) for what in range(len(_OPERATIONS)) for file in range(len(_FILES)))


def target(data: bytes) -> str:
    """Load such a folder, and convert it from the earlier format."""
    shutil.rmtree(_USED, ignore_errors=True)
    shutil.copytree(_VALID, _USED)
    for what, file in zip(data[: 2 * _MOST_OPERATIONS : 2], data[1 : 2 * _MOST_OPERATIONS : 2], strict=False):
        _OPERATIONS[what % len(_OPERATIONS)](_USED / _FILES[file % len(_FILES)])
    outcome = []
    for use in (load_bundle, upgrade_bundle):
        try:
            use(_USED)
            outcome.append("good")
        except BundleError as error:
            outcome.append(refused(error, b"", _MOST_CHARS).removeprefix("BundleError: "))
    return ", ".join(outcome)

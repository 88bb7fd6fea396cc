"""The names and limits of the files in a bundle folder."""

from pathlib import Path
from typing import Final

import hangtag

MANIFEST: Final = "manifest.json"

# The sections that every reader of format 2 needs, and their files.
SCHEMA: Final = "schema.json"
TOKENIZER: Final = "tokenizer.json"
THRESHOLDS: Final = "thresholds.json"
CALIBRATION: Final = "calibration.json"
MODEL: Final = "model.safetensors"
SECTION_FILES: Final = {
    "schema": SCHEMA,
    "tokenizer": TOKENIZER,
    "thresholds": THRESHOLDS,
    "calibration": CALIBRATION,
    "model": MODEL,
}
# Sections that a bundle may have, and their files. They determine answers, so they are required where they are listed.
SCOPE: Final = "scope.json"
FURTHER_FILES: Final = {"scope": SCOPE}

_MIB = 2**20
# Far above what a bundle needs, low enough that a wrong file cannot fill the memory.
_MAX_BYTES = {
    MANIFEST: 4 * _MIB,
    SCHEMA: 64 * _MIB,
    THRESHOLDS: 64 * _MIB,
    CALIBRATION: 4 * _MIB,
    MODEL: 4096 * _MIB,
}
_MAX_OTHER_BYTES = 256 * _MIB

# The bundle that is installed with the package.
STARTER = Path(hangtag.__file__).parent / "starter"


def max_bytes(file: str) -> int:
    """The largest size that this file of a bundle may have."""
    return _MAX_BYTES.get(file, _MAX_OTHER_BYTES)

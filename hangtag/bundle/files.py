"""The files of a bundle folder."""

from pathlib import Path

import hangtag

MANIFEST = "manifest.json"
SCHEMA = "schema.json"
THRESHOLDS = "thresholds.json"
CALIBRATION = "calibration.json"
TOKENIZER = "tokenizer.json"
MODEL = "model.safetensors"

_MIB = 2**20
# Far above what a bundle needs, low enough that a wrong file cannot fill the memory.
MAX_BYTES = {
    MANIFEST: 4 * _MIB,
    SCHEMA: 64 * _MIB,
    THRESHOLDS: 64 * _MIB,
    CALIBRATION: 4 * _MIB,
    TOKENIZER: 256 * _MIB,
    MODEL: 4096 * _MIB,
}

# The bundle that is installed with the package.
STARTER = Path(hangtag.__file__).parent / "starter"

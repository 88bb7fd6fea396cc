"""Recipes of training runs, column mappings and search spaces: TOML, and JSON for recipes.

The first byte chooses which.
"""

from hangtag.trainer.choosing.search_space import read_space
from hangtag.trainer.errors import TrainerError
from hangtag.trainer.recipe.columns import Columns
from hangtag.trainer.recipe.recipe import Recipe
from tests.fuzz.contract import refused
from tests.fuzz.scratch import scratch

_TOML, _JSON = scratch() / "recipe.toml", scratch() / "recipe.json"
_READERS = (
    (_TOML, Recipe.from_file),
    (_JSON, Recipe.from_file),
    (_TOML, lambda path: Columns.read(path, ["facet.color=Farbe"])),
    (_TOML, read_space),
)
# Python's parser takes quadratic time for a key of thousands of dotted parts, and the file is the trainer's own.
_MAX_BYTES = 8_192
_DEEP = b"a = " + b"[" * 2_000
_DIGITS = b"epochs = " + b"9" * 5_000

SEEDS = (
    b'\x00name = "shop"\nepochs = 3\nlearning_rate = 1e-4\n[[sources]]\ntrain = ["train.jsonl"]\n',
    b'\x00[[sources]]\ntrain = ["a"]\n[augmentation]\nsynonyms = [["a", "a"]]\n[wide]\n[method]\nname = "full"\n',
    b"\x00keep_layers = [3, 1]\nseed = -1\n[[sources]]\ntrain = []\n",
    b"\x00learning_rate = inf\nwarmup = nan\n" + b'[[sources]]\ntrain = ["a"]',
    *(bytes([kind]) + content for kind in (0, 2, 3) for content in (_DEEP, _DIGITS, b"\xff\xfe", b"\xef\xbb\xbf")),
    b'\x01{"sources": [{"train": ["a"]}], "facets": {"color": {"kind": "single"}}}',
    b'\x01{"sources":' * 300,
    b'\x01{"epochs": 1e999, "name": "\\ud800"}',
    b'\x02title = "Name"\nencoding = "cp1252"\n[facet]\ncolor = "Farbe"\n',
    b'\x02facet = "x"\n',
    b'\x02encoding = "base64"\nseparator = ""\n',
    b'\x02encoding = "a\\u0000"\n',
    b'\x03["method.rank"]\nlow = 1\nhigh = 8\n[epochs]\nchoices = [1, 2]\n',
    b"\x03[learning_rate]\nlow = nan\nhigh = -inf\nlog = true\n",
)


def target(data: bytes) -> str:
    """Read one of them."""
    kind = data[0] % len(_READERS) if data else 0
    path, read = _READERS[kind]
    path.write_bytes(data[1 : 1 + _MAX_BYTES])
    try:
        read(path)
    except TrainerError as error:
        # A message names every setting that is wrong.
        return f"{kind}: {refused(error, b'', most_chars=20_000).replace(str(path), '')}"
    return f"{kind}: read"

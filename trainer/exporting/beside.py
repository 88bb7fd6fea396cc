"""What stands beside the weights in every format: names of the tags, schema and model card."""

import json
import shutil
from pathlib import Path

from hangtag.bundle import Bundle
from hangtag.bundle.files import SCHEMA
from hangtag.trainer.exporting.card import card_of


def write_beside(folder: Path, source: Path, bundle: Bundle, licence: str) -> None:
    """Write `tags.json`, in the order of the head's rows, `schema.json` of the bundle in `source`, and `README.md`.

    Raises:
        OSError: a file cannot be written.
    """
    tags = json.dumps(list(bundle.schema.tags), ensure_ascii=False, indent=1)
    (folder / "tags.json").write_text(tags, encoding="utf-8")
    shutil.copyfile(source / SCHEMA, folder / SCHEMA)
    (folder / "README.md").write_text(card_of(bundle, licence=licence), encoding="utf-8")

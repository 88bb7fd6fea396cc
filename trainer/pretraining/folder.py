"""The folder of a pre-trained base model: its settings, checkpoints and result."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hangtag.text.product_text import ProductText
from hangtag.trainer.files.atomic_file import write_text
from hangtag.trainer.fitting.base_model import STARTER
from hangtag.trainer.pretraining.settings import PretrainingError, PretrainingSettings

_DESCRIPTION = "pretraining.json"


@dataclass(frozen=True, slots=True)
class Pretrained:
    """The result: mean loss per masked token (nats) on held-out texts, before and after, the texts and the steps."""

    loss_before: float
    loss_after: float
    texts: int
    steps: int


def claim(folder: Path, settings: PretrainingSettings, texts: Sequence[ProductText]) -> Pretrained | None:
    """Reserve the folder for these settings and texts; returns the result if they are finished already.

    Raises:
        PretrainingError: the folder holds the base model itself, other settings or texts, or unrelated files.
    """
    if settings.base_model != STARTER and Path(settings.base_model).expanduser().resolve() == folder.resolve():
        msg = f"{folder} is the base model itself, which would be overwritten: choose another folder"
        raise PretrainingError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    description, file = _description(settings, texts), folder / _DESCRIPTION
    if file.is_file():
        kept = json.loads(file.read_text(encoding="utf-8"))
        if {name: kept.get(name) for name in description} != description:
            msg = f"{folder} holds a base model of other settings or texts (see {file}): choose another folder"
            raise PretrainingError(msg)
        return Pretrained(**kept["result"]) if "result" in kept else None
    # A killed process may have left the temporary file.
    if any(each.name != f"{_DESCRIPTION}.part" for each in folder.iterdir()):
        msg = f"{folder} holds files that are not from pre-training (no {_DESCRIPTION}): choose a new or empty folder"
        raise PretrainingError(msg)
    _write(folder, description)
    return None


def _description(settings: PretrainingSettings, texts: Sequence[ProductText]) -> dict[str, Any]:
    digest = hashlib.sha256()
    for first, second in sorted((text.first, text.second or "") for text in texts):
        digest.update(f"{first}\0{second}\0".encode())
    return {"settings": settings.model_dump(), "texts": digest.hexdigest()}


def _write(folder: Path, description: dict[str, Any]) -> None:
    write_text(folder / _DESCRIPTION, json.dumps(description, indent=1) + "\n")


def finish(folder: Path, settings: PretrainingSettings, texts: Sequence[ProductText], result: Pretrained) -> None:
    """Write the result and remove the checkpoints."""
    _write(folder, _description(settings, texts) | {"result": asdict(result)})
    shutil.rmtree(checkpoints_of(folder), ignore_errors=True)


def checkpoints_of(folder: Path) -> Path:
    """The folder of the checkpoints while pre-training is unfinished."""
    return folder / "checkpoints"


def last_complete(checkpoints: Path) -> Path | None:
    """The newest complete checkpoint; all others are removed.

    trainer_state.json is the last file of a checkpoint to be written, before the previous checkpoint is removed.
    """
    last = None
    for each in sorted(checkpoints.glob("checkpoint-*"), key=_step_of, reverse=True):
        if last is None and _is_json(each / "trainer_state.json"):
            last = each
        else:
            shutil.rmtree(each)
    return last


def _step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.removeprefix("checkpoint-"))


def _is_json(file: Path) -> bool:
    try:
        json.loads(file.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError, UnicodeDecodeError):
        return False
    return True

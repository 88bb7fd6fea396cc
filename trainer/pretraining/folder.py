"""The folder that a pre-trained base model is left in: whose it is, its checkpoints, what came out."""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hangtag.text.product_text import ProductText
from hangtag.trainer.files.whole_file import write_text
from hangtag.trainer.fitting.base_model import STARTER
from hangtag.trainer.pretraining.settings import PretrainingError, PretrainingSettings

_ABOUT = "pretraining.json"


@dataclass(frozen=True, slots=True)
class Pretrained:
    """What came out: mean loss per masked token (nats) on held-out texts, before and after, and what was read."""

    loss_before: float
    loss_after: float
    texts: int
    steps: int


def claim(folder: Path, settings: PretrainingSettings, texts: Sequence[ProductText]) -> Pretrained | None:
    """Make the folder this call's; what came out, if it is finished."""
    if settings.base_model != STARTER and Path(settings.base_model).expanduser().resolve() == folder.resolve():
        msg = f"{folder} is the base model itself, which would be written over: name another folder"
        raise PretrainingError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    about, file = _about(settings, texts), folder / _ABOUT
    if file.is_file():
        kept = json.loads(file.read_text(encoding="utf-8"))
        if {name: kept.get(name) for name in about} != about:
            msg = f"{folder} holds a base model of other settings or texts (see {file}): name another folder"
            raise PretrainingError(msg)
        return Pretrained(**kept["result"]) if "result" in kept else None
    # A kill may have left the first writing of that file.
    if any(each.name != f"{_ABOUT}.part" for each in folder.iterdir()):
        msg = f"{folder} holds files that no pre-training left (it has no {_ABOUT}): name a new or an empty folder"
        raise PretrainingError(msg)
    _write(folder, about)
    return None


def _about(settings: PretrainingSettings, texts: Sequence[ProductText]) -> dict[str, Any]:
    digest = hashlib.sha256()
    for first, second in sorted((text.first, text.second or "") for text in texts):
        digest.update(f"{first}\0{second}\0".encode())
    return {"settings": settings.model_dump(), "texts": digest.hexdigest()}


def _write(folder: Path, about: dict[str, Any]) -> None:
    write_text(folder / _ABOUT, json.dumps(about, indent=1) + "\n")


def finish(folder: Path, settings: PretrainingSettings, texts: Sequence[ProductText], result: Pretrained) -> None:
    """Write what came out; checkpoints are needed no more."""
    _write(folder, _about(settings, texts) | {"result": asdict(result)})
    shutil.rmtree(checkpoints_of(folder), ignore_errors=True)


def checkpoints_of(folder: Path) -> Path:
    """Where they stand while it goes on."""
    return folder / "checkpoints"


def last_whole(checkpoints: Path) -> Path | None:
    """The newest checkpoint that was written to its end; others are removed.

    Its trainer_state.json is written last, and only then is the checkpoint before it removed.
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

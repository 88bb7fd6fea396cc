"""Continued pre-training: a base model reads a shop's texts, without labels, before it is fine-tuned."""

from hangtag.trainer.pretraining.pretrain import pretrain
from hangtag.trainer.pretraining.settings import PretrainingError, PretrainingSettings
from hangtag.trainer.pretraining.telling import Step

__all__ = ["PretrainingError", "PretrainingSettings", "Step", "pretrain"]

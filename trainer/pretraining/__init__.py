"""Continued pre-training of a base model on a shop's unlabelled texts, before fine-tuning."""

from hangtag.trainer.pretraining.pretrain import pretrain
from hangtag.trainer.pretraining.progress import Step
from hangtag.trainer.pretraining.settings import PretrainingError, PretrainingSettings

__all__ = ["PretrainingError", "PretrainingSettings", "Step", "pretrain"]

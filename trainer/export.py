"""From the fine-tuned model to a bundle's int8 weights."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hangtag.bundle import EncoderConfig, Layer, Linear, Norm, Table, Weights
from hangtag.tokens import Tokens, pad
from trainer.model import TagModel

_LINEARS = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention_output": "attention.output.dense",
    "intermediate": "intermediate.dense",
    "output": "output.dense",
}

"""Engines: token ids in, raw logits out, on the CPU or with torch."""

from hangtag.engine.choose import EngineKind, open_engine
from hangtag.engine.cost import CostModel, Padding
from hangtag.engine.engine import Engine, Logits, Means, Precision, Vectors
from hangtag.engine.errors import DeviceError, EngineError, OutOfMemory

__all__ = [
    "CostModel",
    "DeviceError",
    "Engine",
    "EngineError",
    "EngineKind",
    "Logits",
    "Means",
    "OutOfMemory",
    "Padding",
    "Precision",
    "Vectors",
    "open_engine",
]

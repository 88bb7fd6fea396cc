"""Engines: token ids in, raw logits out, on the processor or with torch."""

from hangtag.engine.choose import EngineKind, open_engine
from hangtag.engine.cpu import CpuEngine
from hangtag.engine.engine import Engine, Logits
from hangtag.engine.errors import EngineError, OutOfMemory

__all__ = ["CpuEngine", "Engine", "EngineError", "EngineKind", "Logits", "OutOfMemory", "open_engine"]

"""Choosing and opening an engine."""

import importlib
import importlib.util
from typing import Any, Literal

import numpy as np

from hangtag.bundle import Bundle
from hangtag.engine.engine import Engine, Precision
from hangtag.engine.errors import EngineError
from hangtag.text.tokens import Tokens
from hangtag.text.wide import NO_FEATURES

EngineKind = Literal["auto", "cpu", "torch"]


def open_engine(
    bundle: Bundle,
    kind: EngineKind = "auto",
    threads: int | None = None,
    vectors: bool = False,
    precision: Precision = "exact",
) -> Engine:
    """Open an engine and run it once on the shortest and once on the longest text.

    `auto`: torch if it is installed and finds CUDA, else the CPU engine. `threads` limits the cores that the CPU engine
    uses. `vectors`: `forward_with_vectors` will be called. `precision` is that of the CPU engine.

    Raises:
        EngineError: `kind` is unknown, torch is requested but not installed, or the device does not work.
    """
    engine: Engine
    if kind == "torch" or (kind == "auto" and _has_cuda()):
        engine = _torch_engine(bundle)
    elif kind in ("auto", "cpu"):
        # Imported only here: a worker on a GPU needs no OpenVINO in its memory.
        module = importlib.import_module("hangtag.engine.cpu")
        engine = module.CpuEngine(bundle, threads, vectors=vectors, precision=precision)
    else:
        msg = f"unknown engine {kind!r}: choose auto, cpu or torch"
        raise EngineError(msg)
    for length in (1, bundle.manifest.encoder.max_tokens):
        nothing = np.zeros(length, np.int32)
        engine.forward([Tokens(nothing, nothing, NO_FEATURES)])
    return engine


def _torch_engine(bundle: Bundle) -> Engine:
    # Imported only here: the plain install has no torch.
    try:
        module: Any = importlib.import_module("hangtag.engine.torch")
    except ImportError as error:
        msg = f"the torch engine is not installed ({error}): it needs the packages of the extra gpu"
        raise EngineError(msg, missing_extra="gpu") from error
    engine: Engine = module.TorchEngine(bundle)
    return engine


def _has_cuda() -> bool:
    if importlib.util.find_spec("torch") is None:
        return False
    torch: Any = importlib.import_module("torch")
    return bool(torch.cuda.is_available())

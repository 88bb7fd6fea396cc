"""Choosing and opening an engine."""

import ctypes
import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hangtag.bundle import Bundle
from hangtag.engine.engine import Engine, Precision
from hangtag.engine.errors import EngineError
from hangtag.text.tokens import Tokens
from hangtag.text.wide import NO_FEATURES

EngineKind = Literal["auto", "cpu", "torch"]

# What torch needs of a GPU's driver on Linux: the library of NVIDIA's, the device of AMD's.
_CUDA_LIBRARY = "libcuda.so.1"
_AMD_DEVICE = Path("/dev/kfd")


def open_engine(
    bundle: Bundle,
    kind: EngineKind = "auto",
    threads: int | None = None,
    vectors: bool = False,
    precision: Precision = "exact",
    short_lane: bool = False,
) -> Engine:
    """Open an engine and run it once on the shortest and once on the longest text.

    `auto`: torch if it is installed and finds CUDA, else the CPU engine. `threads` limits the cores that the CPU engine
    uses. `vectors`: `forward_with_vectors` will be called. `precision` is that of the CPU engine. `short_lane`: on
    a CPU a batch of short texts never waits for one of others.

    Raises:
        EngineError: `kind` is unknown, torch is requested but not installed, or the device does not work.
    """
    engine: Engine
    if kind == "torch" or (kind == "auto" and _has_cuda()):
        engine = _torch_engine(bundle)
    elif kind in ("auto", "cpu"):
        # Imported only here: a worker on a GPU needs no OpenVINO in its memory.
        module = importlib.import_module("hangtag.engine.cpu")
        engine = module.CpuEngine(bundle, threads, vectors=vectors, precision=precision, short_lane=short_lane)
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
    # Importing torch takes seconds and 200 MB, for nothing where there is no driver.
    if importlib.util.find_spec("torch") is None or not _has_driver():
        return False
    torch: Any = importlib.import_module("torch")
    return bool(torch.cuda.is_available())


def _has_driver() -> bool:
    """False only if torch cannot find a GPU here."""
    if sys.platform != "linux" or _AMD_DEVICE.exists():
        return True
    try:
        ctypes.CDLL(_CUDA_LIBRARY)
    except OSError:
        return False
    return True

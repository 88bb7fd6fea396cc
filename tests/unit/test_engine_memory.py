"""What an engine loads and keeps beside its weights."""

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import openvino as ov
import pytest

from hangtag.bundle import Bundle, load_bundle
from hangtag.engine import choose, open_engine
from hangtag.engine.cpu import CpuEngine
from tests.unit.test_bundle import write

KEPT = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("engine-memory") / "bundle"
    write(folder)
    return load_bundle(folder)


def test_torch_is_not_imported_to_look_for_a_gpu_that_has_no_driver(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    imported = []

    def import_module(name: str) -> Any:
        imported.append(name)
        return sys.modules[name]

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(choose, "_AMD_DEVICE", tmp_path / "none")
    monkeypatch.setattr(choose, "_CUDA_LIBRARY", "libnone.so")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: True)  # torch is installed
    monkeypatch.setattr(importlib, "import_module", import_module)

    open_engine(bundle, "auto", threads=1).close()

    assert imported == ["hangtag.engine.cpu"]


@pytest.mark.parametrize("wanted", [None, "128"])
def test_few_shapes_of_products_are_kept_unless_the_environment_says_how_many(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, wanted: str | None
) -> None:
    monkeypatch.setenv(KEPT, wanted or "")
    if wanted is None:
        monkeypatch.delenv(KEPT)
    found = []
    compile_model = ov.Core.compile_model

    def compiled(*arguments: Any) -> Any:
        found.append(os.environ[KEPT])
        return compile_model(*arguments)

    monkeypatch.setattr(ov.Core, "compile_model", compiled)

    CpuEngine(bundle, threads=1).close()

    assert found == [wanted or "64"]

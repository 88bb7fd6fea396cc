"""Engines: both give the same logits, and a text gets the same logits in every batch."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hangtag.bundle import Bundle, load_bundle
from hangtag.engine import DeviceError, Engine, EngineError, open_engine
from hangtag.engine.cost import Padding, bucket
from hangtag.engine.packed import Packed, pack
from hangtag.engine.sub_batches import sub_batches
from hangtag.settings import ModelSettings
from hangtag.tagger.tagger import open_tagger
from hangtag.text.tokens import Tokens, pad
from tests.unit.test_bundle import ENCODER, SCHEMA, write

KINDS = ["cpu", "torch"]
CPU = Path("/proc/cpuinfo").read_text("utf-8") if Path("/proc/cpuinfo").exists() else ""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("engines") / "bundle"
    write(folder)
    return load_bundle(folder)


def make_engine(kind: str, bundle: Bundle) -> Engine:
    if kind == "torch":
        pytest.importorskip("torch", reason="the torch engine needs torch (extra gpu)")
        from hangtag.engine.torch import TorchEngine

        return TorchEngine(bundle, "cpu")
    pytest.importorskip("openvino", reason="the CPU engine needs openvino")
    from hangtag.engine.cpu import CpuEngine

    return CpuEngine(bundle, threads=2)


@pytest.fixture(scope="module", params=KINDS)
def engine(request: pytest.FixtureRequest, bundle: Bundle) -> Any:
    engine = make_engine(request.param, bundle)
    yield engine
    engine.close()


def some_tokens(count: int, seed: int = 0) -> list[Tokens]:
    rng = np.random.default_rng(seed)
    batch = []
    for length in rng.integers(1, ENCODER.max_tokens + 1, count).tolist():
        segments = np.zeros(length, np.int32)
        segments[length // 2 :] = 1
        batch.append(Tokens(rng.integers(0, ENCODER.vocab, length).astype(np.int32), segments))
    return batch


def scores(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    x = logits.astype(np.float64)
    color, genre = np.exp(x[:, :3] - x[:, :3].max(1, keepdims=True)), 1 / (1 + np.exp(-x[:, 3:]))
    return np.concatenate([color / color.sum(1, keepdims=True), genre], 1)


def test_a_batch_gives_one_row_of_logits_per_text(engine: Engine) -> None:
    logits = engine.forward(some_tokens(7))
    assert logits.shape == (7, len(SCHEMA.tags))
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()


def test_an_empty_batch_gives_no_rows(engine: Engine) -> None:
    assert engine.forward([]).shape == (0, len(SCHEMA.tags))


def test_scores_do_not_depend_on_the_other_texts_of_a_batch(engine: Engine) -> None:
    batch = some_tokens(50)
    together = scores(engine.forward(batch))
    alone = scores(np.concatenate([engine.forward([tokens]) for tokens in batch]))
    np.testing.assert_allclose(together, alone, atol=1e-3)
    for size, seed in ((2, 1), (9, 2), (30, 3)):
        chosen = np.random.default_rng(seed).permutation(len(batch))[:size]
        np.testing.assert_allclose(scores(engine.forward([batch[i] for i in chosen])), alone[chosen], atol=1e-3)


def test_padding_depends_on_a_text_alone_and_costs_what_the_engine_declares(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The last bit of a sum hardly matters to a tiny model, but it does to a real one's int8 inputs: so the padding
    # itself is observed here.
    engine = make_engine("cpu", bundle)
    module = sys.modules[type(engine).__module__]
    computed = []

    def observed(batch: list[Tokens], pad_to: int) -> Any:
        computed.extend((len(tokens), pad_to) for tokens in batch)
        return pad(batch, pad_to)

    monkeypatch.setattr(module, "pad", observed)
    batch = some_tokens(80)
    engine.forward(batch)
    assert len(computed) == 80
    assert all(padded == bucket(length, ENCODER.positions) for length, padded in computed)
    assert engine.cost.padding is Padding.BUCKET
    assert engine.cost.of_batch([len(tokens) for tokens in batch]) == sum(padded for _, padded in computed)


def test_rows_come_in_the_order_of_the_batch(engine: Engine) -> None:
    batch = some_tokens(60)
    backwards = engine.forward(batch[::-1])[::-1]
    np.testing.assert_allclose(scores(engine.forward(batch)), scores(backwards), atol=1e-3)
    assert np.ptp(scores(backwards), axis=0).max() > 0.05  # the texts have different scores


def test_fast_is_close_to_exact_and_the_same_in_every_batch(bundle: Bundle) -> None:
    batch = some_tokens(40)
    with closing(open_engine(bundle, "cpu")) as exact, closing(open_engine(bundle, "cpu", precision="fast")) as fast:
        together = fast.forward(batch)
        alone = np.concatenate([fast.forward([tokens]) for tokens in batch])

        np.testing.assert_array_equal(together, alone)
        assert np.abs(scores(together) - scores(exact.forward(batch))).mean() < 0.01


@pytest.mark.skipif("avx512_bf16" not in CPU and "amx_bf16" not in CPU, reason="the CPU has no bfloat16")
def test_the_setting_chooses_the_precision(tmp_path: Path) -> None:
    write(tmp_path / "bundle")
    settings = ModelSettings(bundle=str(tmp_path / "bundle"), engine="cpu")
    names = []
    for precision in ("exact", "fast"):
        tagger = open_tagger(settings.model_copy(update={"precision": precision}))
        names.append(tagger.engine.name)
        tagger.engine.close()

    assert ["bfloat16" in name for name in names] == [False, True]


def test_both_engines_agree(bundle: Bundle) -> None:
    batch = some_tokens(60)
    cpu, torch = (scores(make_engine(kind, bundle).forward(batch)) for kind in KINDS)
    assert np.abs(cpu - torch).max() < 0.1  # what int8 inputs cost
    assert np.abs(cpu - torch).mean() < 0.01


def test_segments_and_positions_matter(engine: Engine) -> None:
    ids = np.array([2, 4, 5, 3, 6, 3], np.int32)
    one = Tokens(ids, np.zeros(6, np.int32))
    two = Tokens(ids, np.array([0, 0, 0, 0, 1, 1], np.int32))
    swapped = Tokens(ids[[0, 2, 1, 3, 4, 5]], one.segments)
    logits = engine.forward([one, two, swapped])
    assert np.abs(logits[0] - logits[1]).max() > 0.01
    assert np.abs(logits[0] - logits[2]).max() > 0.01


def test_threads_may_share_an_engine(engine: Engine) -> None:
    batches = [some_tokens(20, seed) for seed in range(8)]
    alone = [engine.forward(batch) for batch in batches]
    with ThreadPoolExecutor(8) as threads:
        for expected, found in zip(alone, threads.map(engine.forward, batches), strict=True):
            np.testing.assert_allclose(scores(found), scores(expected), atol=1e-3)


@pytest.mark.parametrize(
    ("ids", "segments", "message"),
    [
        ([], [], "0 tokens"),
        ([1] * (ENCODER.positions + 1), [0] * (ENCODER.positions + 1), "65 tokens"),
        ([ENCODER.vocab], [0], "token ids"),
        ([-1], [0], "token ids"),
        ([1], [2], "segment ids"),
    ],
)
def test_tokens_without_an_embedding_are_refused(
    engine: Engine, ids: list[int], segments: list[int], message: str
) -> None:
    wrong = Tokens(np.array(ids, np.int32), np.array(segments, np.int32))
    with pytest.raises(EngineError, match=f"text 1.*{message}"):
        engine.forward([*some_tokens(1), wrong])
    assert engine.forward(some_tokens(1)).shape[0] == 1  # the engine still works


@pytest.mark.parametrize("kind", KINDS)
def test_a_closed_engine_refuses_to_run(kind: str, bundle: Bundle) -> None:
    engine = make_engine(kind, bundle)
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.forward(some_tokens(1))


def test_torch_runs_out_of_memory_with_its_own_error(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch", reason="the torch engine needs torch")
    from hangtag.engine import OutOfMemory

    engine: Any = make_engine("torch", bundle)

    def full(*_: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(engine._network, "hidden", full)
    with pytest.raises(OutOfMemory, match="3 texts"):
        engine.forward(some_tokens(3))


@pytest.mark.parametrize("kind", KINDS)
def test_a_runtime_that_fails_on_checked_tokens_is_an_error_of_the_device(
    kind: str, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Like any OSError it is never the fault of a text; here the arrays do not fit each other."""
    engine = make_engine(kind, bundle)

    def padded(batch: list[Tokens], length: int) -> tuple[np.ndarray, ...]:
        return tuple(np.zeros((len(batch), length + 3 * place), np.int32) for place in range(3))

    def packed(batch: list[Tokens]) -> Packed:
        right = pack(batch)
        return replace(right, segments=right.segments[3:])

    with monkeypatch.context() as context:
        context.setattr(
            *{"cpu": ("hangtag.engine.cpu.pad", padded), "torch": ("hangtag.engine.torch.pack", packed)}[kind]
        )
        with pytest.raises(DeviceError, match="2 texts") as caught:
            engine.forward(some_tokens(2))

    assert isinstance(caught.value, OSError)
    assert engine.forward(some_tokens(2)).shape[0] == 2
    engine.close()


def test_open_engine_warms_up_and_refuses_unknown_kinds(bundle: Bundle) -> None:
    engine = open_engine(bundle, "cpu", threads=1)
    assert engine.name.startswith("cpu")
    engine.close()
    with pytest.raises(EngineError, match="auto, cpu or torch"):
        open_engine(bundle, "gpu")  # type: ignore[arg-type]


def test_without_torch_the_cpu_engine_runs_and_the_torch_engine_names_its_extra(bundle: Bundle, tmp_path: Path) -> None:
    write(tmp_path / "bundle")
    program = f"""
import sys
sys.modules["torch"] = None  # importing it fails, as if it were not installed
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "torch" else find(name, *rest)
from hangtag.bundle import load_bundle
from hangtag.engine import EngineError, open_engine
bundle = load_bundle({str(tmp_path / "bundle")!r})
print(open_engine(bundle, "auto", threads=1).name)
try:
    open_engine(bundle, "torch")
except EngineError as error:
    print(error)
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.startswith("cpu")
    assert "it needs the packages of the extra gpu" in found.stdout


def test_groups_hold_every_text_once_of_one_length_within_the_budget() -> None:
    lengths = [bucket(length, 512) for length in np.random.default_rng(0).integers(1, 513, 300).tolist()]
    groups = sub_batches(lengths, 1024, 2)
    assert sorted(index for group in groups for index in group) == list(range(300))
    for group in groups:
        assert len({lengths[index] for index in group}) == 1
        assert len(group) == 1 or len(group) * lengths[group[0]] <= 1024
    assert sub_batches([], 1024, 2) == []


def test_signals_work_after_engines_are_closed_in_any_order(tmp_path):
    """In a separate process, since a failure would end it."""
    from tests.bundles import write_tiny_bundle

    write_tiny_bundle(tmp_path / "bundle")
    code = """
import gc, signal, sys
from hangtag.bundle import load_bundle
from hangtag.engine import open_engine
bundle = load_bundle(sys.argv[1])
engines = [open_engine(bundle, "cpu") for _ in range(3)]
while engines:
    engines.pop(0).close()
    gc.collect()
signal.signal(signal.SIGINT, lambda *_: print("alive"))
signal.raise_signal(signal.SIGINT)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "bundle")],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "alive\n"), done.stderr

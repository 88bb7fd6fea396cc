"""The torch engine: packed texts get what padded ones get in float32, on the CPU and on CUDA."""

import gc
import subprocess
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="the torch engine needs torch (extra gpu)")
pytest.importorskip("transformers", reason="transformers' BERT is what the engine is compared with")

from hangtag.bundle import Bundle, load_bundle
from hangtag.engine import EngineError, OutOfMemory
from hangtag.engine.packed import pack, parts
from hangtag.engine.torch import TorchEngine
from hangtag.tags.decoding import Decoder
from hangtag.text.ngrams import ngram_hashes
from hangtag.text.product_text import ProductText
from hangtag.text.tokens import Tokens
from hangtag.text.wide import Features, Wide
from tests.bundles import tiny_schema, write_tiny_bundle
from tests.reference_bert import reference_logits

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ["red dress", "blue shoe for cat", "space game", "the food of a cat", "with a red red red dress for the game"]
CUDA = pytest.param(
    "cuda",
    marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")],
)
needs_cuda = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]


def some_wide(tags: int) -> Wide:
    """Weights for every second n-gram of the texts, a different number for each."""
    rng = np.random.default_rng(3)
    hashes = np.unique(np.concatenate([each for text in TEXTS for each in ngram_hashes(ProductText(text))]))[::2]
    counts = rng.integers(0, tags, len(hashes))
    gaps = [np.r_[rng.integers(0, 2), np.ones(max(0, count - 1), int)][:count] for count in counts]
    entries = np.concatenate(gaps).astype(np.uint8)
    return Wide(
        hashes.astype(np.uint32),
        rng.uniform(1, 5, len(hashes)).astype(np.float16),
        counts.astype(np.uint16),
        rng.uniform(0.001, 0.01, len(hashes)).astype(np.float16),
        entries,
        rng.integers(-127, 128, len(entries)).astype(np.int8),
    )


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("torch") / "bundle"
    write_tiny_bundle(folder, wide=some_wide(len(tiny_schema().tags)))
    return load_bundle(folder)


@pytest.fixture(scope="module", params=["cpu", CUDA])
def engine(request: pytest.FixtureRequest, bundle: Bundle) -> Any:
    engine = TorchEngine(bundle, request.param)
    yield engine
    engine.close()


def tokens_of(bundle: Bundle, length: int, seed: int = 0) -> Tokens:
    rng = np.random.default_rng((length, seed))
    segments = np.zeros(length, np.int32)
    segments[rng.integers(0, length + 1) :] = 1
    count = int(rng.integers(0, 20))
    rows = rng.integers(0, len(bundle.weights.wide.hashes), count).astype(np.int32)
    features = Features(rows, rng.uniform(0, 1, count).astype(np.float32))
    return Tokens(rng.integers(0, bundle.manifest.encoder.vocab, length).astype(np.int32), segments, features)


def scores(bundle: Bundle, logits: Any) -> Any:
    return np.exp(Decoder(bundle.schema, bundle.calibration, bundle.thresholds).log_confidences(logits))


def is_float32(engine: TorchEngine) -> bool:
    return "float32" in engine.name


@settings(max_examples=30)
@given(st.lists(st.integers(1, 64), min_size=1, max_size=40))
def test_packed_texts_get_what_padded_ones_get(engine: TorchEngine, bundle: Bundle, lengths: list[int]) -> None:
    batch = [tokens_of(bundle, length, place) for place, length in enumerate(lengths)]

    found, expected = engine.forward(batch), reference_logits(bundle, batch)

    if is_float32(engine):
        np.testing.assert_allclose(found, expected, atol=2e-5)
    else:
        np.testing.assert_allclose(scores(bundle, found), scores(bundle, expected), atol=0.02)


def test_a_batch_of_several_parts_is_one_batch(
    engine: TorchEngine, bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = [tokens_of(bundle, length, place) for place, length in enumerate([64, 1, 30, 30, 7, 64, 2] * 3)]
    whole = engine.forward(batch)

    monkeypatch.setattr(engine, "_most", 70)

    np.testing.assert_allclose(scores(bundle, engine.forward(batch)), scores(bundle, whole), atol=1e-3)


def test_the_mean_of_a_texts_vectors_gives_its_logits(engine: TorchEngine, bundle: Bundle) -> None:
    batch = [tokens_of(bundle, length, place) for place, length in enumerate([9, 64, 3, 9, 1])]

    logits, vectors = engine.forward_with_vectors(batch)

    # A device adds the weights of n-grams in any order.
    np.testing.assert_allclose(logits, engine.forward(batch), atol=1e-5)
    assert [each.shape for each in vectors] == [(len(tokens), bundle.manifest.encoder.hidden) for tokens in batch]
    weights, wide = bundle.weights, bundle.weights.wide
    means = np.stack([each.mean(0) for each in vectors])
    encoder = means @ weights.head_weight.T + weights.head_bias
    expected = encoder + wide.scores([tokens.features for tokens in batch], logits.shape[1])
    np.testing.assert_allclose(logits, expected, atol=1e-4)


def test_texts_without_ngrams_and_ngrams_without_weights(engine: TorchEngine, bundle: Bundle) -> None:
    wide = bundle.weights.wide
    without = int(np.flatnonzero(wide.counts == 0)[0])
    one = tokens_of(bundle, 9)
    none, empty = (
        replace(one, features=Features(np.array(rows, np.int32), np.ones(len(rows), np.float32)))
        for rows in ([], [without])
    )

    logits = engine.forward([none, empty])

    np.testing.assert_allclose(logits[0], logits[1], atol=1e-3)
    np.testing.assert_allclose(engine.forward([empty]), logits[1:], atol=1e-3)


def test_ngrams_of_another_bundle_are_refused_before_the_device_gets_them(engine: TorchEngine, bundle: Bundle) -> None:
    rows = np.array([len(bundle.weights.wide.hashes)], np.int32)
    wrong = replace(tokens_of(bundle, 9), features=Features(rows, np.ones(1, np.float32)))

    with pytest.raises(EngineError, match="own tokenizer"):
        engine.forward([tokens_of(bundle, 5), wrong])

    assert len(engine.forward([tokens_of(bundle, 5)])) == 1


@given(st.lists(st.integers(1, 50)), st.integers(1, 120))
def test_parts_hold_every_text_once_within_the_limit(lengths: list[int], most: int) -> None:
    found = parts(lengths, most)

    assert [length for part in found for length in lengths[part]] == lengths
    assert all(len(lengths[part]) == 1 or sum(lengths[part]) <= most for part in found)
    assert all(lengths[part] for part in found)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=12))
def test_positions_restart_with_each_text(lengths: list[int]) -> None:
    batch = [
        Tokens(np.full(length, place, np.int32), np.zeros(length, np.int32)) for place, length in enumerate(lengths)
    ]

    packed = pack(batch)

    assert sorted(packed.order.tolist()) == list(range(len(batch)))
    for at, place in enumerate(packed.order.tolist()):
        its = slice(packed.starts[at], packed.starts[at + 1])
        assert packed.ids[its].tolist() == [place] * lengths[place]
        assert packed.positions[its].tolist() == list(range(lengths[place]))
    assert [length for count, length in packed.runs for _ in range(count)] == sorted(lengths)


class TestCuda:
    """What only a device shows."""

    pytestmark = needs_cuda

    def test_a_text_gets_the_same_scores_alone_and_in_company(self) -> None:
        bundle = load_bundle("starter")
        engine = TorchEngine(bundle, "cuda")
        rng = np.random.default_rng(0)
        words = np.array(
            ["red", "wool", "scarf", "running", "shoes", "for", "women", "dog", "food", "kg", "lamp", "oak"]
        )
        texts = [ProductText.of(" ".join(rng.choice(words, rng.integers(1, 60)))) for _ in range(300)]
        batch = bundle.tokenizer(texts)

        together = scores(bundle, engine.forward(batch))

        alone = scores(bundle, np.concatenate([engine.forward([each]) for each in batch[:40]]))
        np.testing.assert_allclose(together[:40], alone, atol=1e-3)
        some = rng.permutation(300)[:37]
        np.testing.assert_allclose(
            together[some], scores(bundle, engine.forward([batch[at] for at in some])), atol=1e-3
        )

    def test_threads_may_share_an_engine(self, bundle: Bundle) -> None:
        engine = TorchEngine(bundle, "cuda")
        batches = [[tokens_of(bundle, length, seed) for length in range(1, 64)] for seed in range(16)]
        alone = [engine.forward(batch) for batch in batches]
        with ThreadPoolExecutor(8) as threads:
            for expected, found in zip(alone, threads.map(engine.forward, batches), strict=True):
                np.testing.assert_allclose(scores(bundle, found), scores(bundle, expected), atol=1e-3)

    def test_a_batch_that_does_not_fit_runs_once_there_is_memory(self, bundle: Bundle) -> None:
        engine = TorchEngine(bundle, "cuda")
        batch = [tokens_of(bundle, 64, seed) for seed in range(1_000)]
        small = batch[:2]
        engine.forward(small)
        torch.cuda.empty_cache()
        free, total = torch.cuda.mem_get_info()
        used = total - free
        try:
            # As if another process had taken the rest.
            torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 8e6) / total)
            with pytest.raises(OutOfMemory, match="1000 texts"):
                engine.forward(batch)
            assert len(engine.forward(small)) == 2
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0)
        assert used > 0
        assert np.isfinite(engine.forward(batch)).all()

    def test_an_error_of_cuda_ends_the_use_of_the_device(self, tmp_path: Path) -> None:
        """In a process of its own, which cannot use the device after that."""
        write_tiny_bundle(tmp_path / "bundle")
        code = """
import sys
import numpy as np
import hangtag.engine.torch
from hangtag.bundle import load_bundle
from hangtag.engine import DeviceError
from hangtag.tagger.faults import FaultError
from hangtag.tagger.isolate import isolate
from hangtag.tagger.probe import probe
from hangtag.tagger.tagger import Tagger
from hangtag.text.product_text import ProductText
from hangtag.text.tokens import Tokens
bundle = load_bundle(sys.argv[1])
tagger = Tagger.of(bundle, hangtag.engine.torch.TorchEngine(bundle, "cuda"))
right = tagger.encode([ProductText.of("red dress")] * 8)
assert len(tagger.forward(right)) == 8
hangtag.engine.torch.check_tokens = lambda *_: None
wrong = Tokens(np.full(5, 10**6, np.int32), np.zeros(5, np.int32))
try:
    isolate(lambda some: tagger.forward(some).logits, [*right, wrong], lambda: probe(tagger))
except FaultError as error:
    print("ended:", error)
try:
    tagger.forward(right)
except DeviceError as error:
    print("refused:", error)
"""
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "bundle")],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert "ended: the engine fails for any text" in done.stdout, done.stdout + done.stderr
        assert "not used again, restart the process" in done.stdout


def test_the_memory_of_a_closed_engine_is_free_without_the_garbage_collector(bundle: Bundle) -> None:
    engine = TorchEngine(bundle, "cpu")
    engine.forward(bundle.tokenizer([ProductText(TEXTS[0])]))
    layers = [weakref.ref(module) for module in engine._network.modules()]
    gc.disable()
    try:
        engine.close()
        assert [layer() for layer in layers] == [None] * len(layers)
    finally:
        gc.enable()

"""What is measured: the texts, the starter, and a model of the size of BERT-base."""

import gzip
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import orjson

from hangtag.bundle import Bundle, EncoderConfig, Layer, Linear, Norm, Table, Weights, load_bundle, write_bundle
from hangtag.text.product_text import ProductText


def read_texts(path: Path, count: int) -> list[ProductText]:
    """`count` cleaned product texts; the file is repeated if it has fewer."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rb") as file:
        rows = [orjson.loads(line) for line in islice(file, count)]
    texts = [
        ProductText.of(row["title"], row.get("description") or "", row.get("merchant_category") or "") for row in rows
    ]
    return list(islice(cycle([text for text in texts if not text.is_empty]), count))


def open_model(name: str, folder: Path) -> Bundle:
    """`minilm`: the starter. `base`: random weights in the shape of BERT-base, else as the starter."""
    starter = load_bundle("starter")
    if name == "minilm":
        return starter
    target = folder / "base"
    if not target.exists():
        _write_base(target, starter)
    return load_bundle(target)


def _write_base(folder: Path, starter: Bundle) -> None:
    encoder = starter.manifest.encoder.model_copy(
        update={"layers": 12, "hidden": 768, "heads": 12, "intermediate": 3_072}
    )
    write_bundle(
        folder,
        name="random-base",
        created="2026-01-01T00:00:00Z",
        base_model="random",
        data_fingerprint="none",
        recipe={},
        metrics={},
        encoder=encoder,
        schema=starter.schema,
        thresholds=starter.thresholds,
        calibration=starter.calibration,
        tokenizer=starter.tokenizer,
        weights=_random_weights(encoder, starter),
    )


def _random_weights(encoder: EncoderConfig, starter: Bundle) -> Weights:
    rng = np.random.default_rng(0)
    hidden, wide, tags = encoder.hidden, encoder.intermediate, len(starter.schema.tags)

    def floats(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.02, shape).astype(np.float32)

    def linear(out: int, into: int) -> Linear:
        values = rng.integers(-127, 128, (out, into), np.int8)
        # Weights of a standard deviation of 0.02, as BERT's are before training.
        scale = np.full(out, 0.02 / 73, np.float32)
        return Linear(values, scale, floats(out), np.ones(into, np.float32), -8.0, 8.0)

    def norm() -> Norm:
        return Norm(np.ones(hidden, np.float32), np.zeros(hidden, np.float32))

    def layer() -> Layer:
        attention = (linear(hidden, hidden) for _ in range(4))
        return Layer(*attention, norm(), linear(wide, hidden), linear(hidden, wide), norm())

    words = rng.integers(-127, 128, (encoder.vocab, hidden), np.int8)
    return Weights(
        words=Table(words, np.full(encoder.vocab, 0.02 / 73, np.float32)),
        positions=floats(encoder.positions, hidden),
        segments=floats(encoder.segments, hidden),
        embedding_norm=norm(),
        layers=tuple(layer() for _ in range(encoder.layers)),
        head_weight=floats(tags, hidden),
        head_bias=floats(tags),
        wide=starter.weights.wide,
    )

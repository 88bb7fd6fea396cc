"""A small bundle with random weights: everything is real except the training."""

import string
from dataclasses import replace
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from hangtag.bundle import (
    EncoderConfig,
    Layer,
    Linear,
    Manifest,
    Norm,
    Scope,
    Table,
    Weights,
    write_bundle,
)
from hangtag.tags.schema import Facet, FacetKind, Rule, TagSchema
from hangtag.tags.thresholds import Calibration, KeyedCalibration, KeyedThresholds, TagThresholds, Thresholds
from hangtag.text.tokens import ProductTokenizer
from hangtag.text.wide import Wide

_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
_WORDS = ["red", "blue", "dress", "shoe", "cat", "food", "game", "space", "the", "a", "of", "for", "with"]


def tiny_schema(rules: tuple[Rule, ...] = (), blocked: tuple[str, ...] = ()) -> TagSchema:
    """Facets: segment, class below it, color for clothing, genre (multi) for games."""
    return TagSchema(
        facets=(
            Facet(name="segment", kind=FacetKind.SINGLE, values=("clothing", "games", "pets")),
            Facet(
                name="class",
                kind=FacetKind.SINGLE,
                values=("dresses", "shoes", "software", "cat food"),
                parent="segment",
            ),
            Facet(
                name="color", kind=FacetKind.SINGLE, values=("blue", "navy", "red"), applies_when=("segment:clothing",)
            ),
            Facet(
                name="genre", kind=FacetKind.MULTI, values=("action", "indie", "rpg"), applies_when=("segment:games",)
            ),
        ),
        parents={
            "class:dresses": ("segment:clothing",),
            "class:shoes": ("segment:clothing",),
            "class:software": ("segment:games",),
            "class:cat food": ("segment:pets",),
        },
        rules=rules,
        blocked=blocked,
    )


def tiny_tokenizer(max_tokens: int = 64) -> ProductTokenizer:
    """WordPiece over letters, digits and some words; anything else is [UNK]."""
    chars = string.ascii_lowercase + string.digits + "|.,!?&'-"
    pieces = [*_SPECIAL, *chars, *(f"##{char}" for char in chars), *_WORDS]
    tokenizer = Tokenizer(models.WordPiece({piece: at for at, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return ProductTokenizer(tokenizer, max_tokens)


def tiny_encoder(max_tokens: int = 64) -> EncoderConfig:
    vocab = len(_SPECIAL) + 2 * (26 + 10 + 8) + len(_WORDS)
    return EncoderConfig(
        layers=2,
        hidden=32,
        heads=4,
        intermediate=64,
        vocab=vocab,
        positions=64,
        segments=2,
        norm_epsilon=1e-12,
        max_tokens=max_tokens,
    )


def tiny_weights(encoder: EncoderConfig, tags: int, seed: int = 0) -> Weights:
    rng = np.random.default_rng(seed)

    def floats(*shape: int, scale: float = 0.05) -> np.ndarray:
        return rng.normal(0, scale, shape).astype(np.float32)

    def linear(out: int, into: int) -> Linear:
        return Linear(
            values=rng.integers(-127, 128, (out, into), dtype=np.int8),
            scale=np.full(out, 0.002, np.float32),
            bias=floats(out),
            smooth=np.ones(into, np.float32),
            low=-4.0,
            high=4.0,
        )

    def norm() -> Norm:
        return Norm(np.ones(encoder.hidden, np.float32), floats(encoder.hidden))

    width, wide = encoder.hidden, encoder.intermediate
    return Weights(
        words=Table(
            rng.integers(-127, 128, (encoder.vocab, width), dtype=np.int8), np.full(encoder.vocab, 0.004, np.float32)
        ),
        positions=floats(encoder.positions, width, scale=0.2),
        segments=floats(encoder.segments, width, scale=0.2),
        embedding_norm=norm(),
        layers=tuple(
            Layer(
                linear(width, width),
                linear(width, width),
                linear(width, width),
                linear(width, width),
                norm(),
                linear(wide, width),
                linear(width, wide),
                norm(),
            )
            for _ in range(encoder.layers)
        ),
        head_weight=floats(tags, width, scale=0.7),
        head_bias=floats(tags, scale=0.7),
    )


def write_tiny_bundle(
    folder: Path,
    seed: int = 0,
    thresholds: TagThresholds | None = None,
    schema: TagSchema | None = None,
    max_tokens: int = 64,
    wide: Wide | None = None,
    scope: Scope | None = None,
) -> Manifest:
    """Write the bundle; its tags are arbitrary, but always the same for a seed. `thresholds` are those of every tag."""
    schema = schema or tiny_schema()
    thresholds = thresholds or TagThresholds(auto=0.3, review=0.1)
    encoder = tiny_encoder(max_tokens)
    return write_bundle(
        folder,
        name=f"tiny-{seed}",
        created="2026-01-01T00:00:00Z",
        base_model="random",
        data_fingerprint="none",
        recipe={},
        metrics={},
        encoder=encoder,
        schema=schema,
        thresholds=KeyedThresholds.of_products(Thresholds(tags=dict.fromkeys(schema.tags, thresholds))),
        calibration=KeyedCalibration.of_products(
            Calibration(temperatures={facet.name: 1.0 for facet in schema.facets})
        ),
        tokenizer=tiny_tokenizer(max_tokens),
        weights=replace(tiny_weights(encoder, len(schema.tags), seed), wide=wide),
        scope=scope,
    )

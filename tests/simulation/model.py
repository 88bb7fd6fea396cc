"""A small real bundle, and an engine that computes its scores without weights and fails as it is told."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from zlib import crc32

import numpy as np

# The texts are few and short: threads of the tokenizer would cost more than they save.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from hangtag.bundle import Bundle, load_bundle
from hangtag.engine.cost import CostModel, Padding
from hangtag.engine.engine import Logits, Means, Vectors
from hangtag.engine.errors import DeviceError, OutOfMemory
from hangtag.evidence import Evidence
from hangtag.tagger.tagger import Tagger
from hangtag.tags.decoding import Decoder
from hangtag.tags.schema import Rule, TagSchema
from hangtag.tags.tagset import TagSet
from hangtag.tags.thresholds import KeyedThresholds, TagThresholds, Thresholds
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.text.tokens import Tokens
from hangtag.words import Reader
from tests.bundles import tiny_schema, write_tiny_bundle
from tests.simulation.hub import Hub

SCHEMA = tiny_schema(
    rules=(
        Rule(kind="implies", when="class:software", then="genre:action"),
        Rule(kind="excludes", when="color:blue", then="color:navy"),
        Rule(kind="excludes", when="genre:action", then="genre:indie"),
    ),
    blocked=("class:shoes", "genre:rpg"),
)
# A tag of these is AUTO only where the text has its word.
WORDS = {"color:red": ("red",), "color:blue": ("blue",), "color:navy": ("navy",)}
_TEXT_WORDS = ("red", "blue", "dress", "shoe", "cat", "food", "game", "a", "of", "for", "with")
POISON, PANIC = "space", "panic"


class Panic(BaseException):
    """As a library in Rust panics: no `Exception`."""


@cache
def bundles() -> tuple[Bundle, Bundle]:
    """Two releases of one model, with different weights."""
    thresholds = KeyedThresholds.of_products(
        Thresholds(tags=dict.fromkeys(SCHEMA.tags, TagThresholds(auto=0.5, review=0.2)), words=WORDS)
    )
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for seed in (1, 2):
            path = Path(folder) / str(seed)
            write_tiny_bundle(path, seed=seed, schema=SCHEMA)
            found.append(replace(load_bundle(str(path)), thresholds=thresholds))
    return found[0], found[1]


@cache
def _scores(bundle_version: str) -> Logits:
    return np.random.default_rng(int(bundle_version[:8], 16)).normal(0, 3, (256, len(SCHEMA.tags))).astype(np.float32)


def logits_of(bundle_version: str, tokens: Tokens) -> Logits:
    """The scores of a text: they depend on the text and the bundle alone."""
    row: Logits = _scores(bundle_version)[crc32(tokens.ids.tobytes()) % 256]
    return row


@cache
def title_of(product_id: str, version: int, trap: str = "") -> str:
    """The text of a version of a product; a trap is a word that makes a stage fail."""
    place = crc32(f"{product_id}/{version}".encode())
    words = [_TEXT_WORDS[(place >> shift) % len(_TEXT_WORDS)] for shift in (0, 5, 10, 15)]
    return " ".join([*words[: 1 + place % 4], *([trap] if trap else [])])


@cache
def schema_with(blocked: tuple[str, ...]) -> TagSchema:
    """The schema with further tags blocked."""
    return TagSchema.model_validate({**SCHEMA.model_dump(), "blocked": (*SCHEMA.blocked, *blocked)})


@cache
def expected(bundle_version: str, product_id: str, version: int, blocked: tuple[str, ...] = ()) -> TagSet:
    """The tags that a bundle gives this version of a product, whatever it is batched with, without those blocked."""
    bundle = next(each for each in bundles() if each.version == bundle_version)
    decoder = Decoder(schema_with(blocked), bundle.calibration, bundle.thresholds)
    text = ProductText.of(title_of(product_id, version))
    (tokens,) = bundle.tokenizer([text])
    (tags,) = decoder.decode(logits_of(bundle_version, tokens)[None], [TextKind.PRODUCT], [decoder.named(text)])
    return tags


@dataclass(slots=True)
class Trouble:
    """What is wrong with the machine of a process."""

    is_device_dead: bool = False
    is_engine_broken: bool = False
    hangs: bool = False
    # How many more calls of the engine or the tokenizer fail.
    flaky_calls: int = 0
    calls_without_memory: int = 0
    calls_without_disk: int = 0


class SimEngine:
    """An `Engine` on a device that may fail."""

    name = "simulated"
    cost = CostModel(Padding.BUCKET, 64)

    def __init__(self, hub: Hub, bundle: Bundle, trouble: Trouble) -> None:
        self._hub = hub
        self._bundle = bundle
        self._trouble = trouble
        self._poison = bundle.tokenizer([ProductText(POISON)])[0].ids[1]
        self._is_closed = False

    def forward(self, batch: Sequence[Tokens]) -> Logits:
        """See `Engine`."""
        hub, trouble = self._hub, self._trouble
        if self._is_closed:
            hub.fail("a bundle was freed while something used it")
        actor = hub.current
        actor.stage = "forward"
        while trouble.hangs:
            hub.pause(10.0)
        hub.pause(actor.dice.choice((0.001, 0.005, 0.03)))
        if trouble.is_device_dead:
            msg = "the device fell off the bus"
            raise DeviceError(msg)
        if trouble.flaky_calls:
            trouble.flaky_calls -= 1
            msg = "an error that passes"
            raise RuntimeError(msg)
        if trouble.is_engine_broken:
            msg = "the engine fails for any text"
            raise RuntimeError(msg)
        if trouble.calls_without_memory:
            trouble.calls_without_memory -= 1
            msg = "out of memory"
            raise OutOfMemory(msg)
        if any(self._poison in tokens.ids for tokens in batch):
            msg = "the kernel fails on this text"
            raise RuntimeError(msg)
        rows = [logits_of(self._bundle.version, tokens) for tokens in batch]
        return np.stack(rows) if rows else np.zeros((0, len(SCHEMA.tags)), np.float32)

    def forward_with_vectors(self, batch: Sequence[Tokens]) -> tuple[Logits, list[Vectors]]:
        """See `Engine`."""
        msg = "a worker asks for no vectors"
        raise NotImplementedError(msg)

    def forward_with_means(self, batch: Sequence[Tokens]) -> tuple[Logits, Means]:
        """See `Engine`."""
        return self.forward(batch), np.zeros((len(batch), self._bundle.manifest.encoder.hidden), np.float32)

    def close(self) -> None:
        """See `Engine`."""
        self._is_closed = True


@dataclass(frozen=True, slots=True)
class SimTagger(Tagger):
    """The real tagger, whose tokenizer takes time and fails as it is told."""

    hub: Hub
    trouble: Trouble

    def encode(self, texts: Sequence[ProductText], kinds: Sequence[TextKind] | None = None) -> list[Tokens]:
        """See `Tagger`."""
        actor = self.hub.current
        actor.stage = "encode"
        self.hub.pause(actor.dice.choice((0.0005, 0.002)))
        if self.trouble.calls_without_disk:
            self.trouble.calls_without_disk -= 1
            msg = "no space left on device"
            raise OSError(msg)
        if any(PANIC in text.first for text in texts):
            raise Panic
        return super(SimTagger, self).encode(texts, kinds)


def open_tagger(hub: Hub, bundle: Bundle, trouble: Trouble) -> SimTagger:
    """The tagger of one process."""
    engine = SimEngine(hub, bundle, trouble)
    return SimTagger(bundle, engine, *_parts(bundle.version), hub, trouble)


@cache
def _parts(bundle_version: str) -> tuple[Decoder, Reader, Evidence]:
    bundle = next(each for each in bundles() if each.version == bundle_version)
    reader = Reader(bundle.schema, bundle.thresholds, bundle.tokenizer, bundle.weights.wide)
    decoder = Decoder(bundle.schema, bundle.calibration, bundle.thresholds)
    return decoder, reader, Evidence(bundle.schema, bundle.weights, reader.names)

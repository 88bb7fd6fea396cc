"""Tokens that other processes made are those that this one would make."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangtag.bundle import load_bundle
from hangtag.tagger.encoded_texts import EncodedTexts
from hangtag.tagger.encoder import Encoder
from hangtag.tagger.encoder_pool import EncoderPool, EncoderPoolError
from hangtag.tagger.faults import OURS
from hangtag.tags.decoding import Decoder
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.text.tokens import Tokens
from hangtag.text.understood import UNREAD
from hangtag.text.wide import Features
from hangtag.words import Reader


def same(one: Tokens, other: Tokens) -> bool:
    arrays = [(one.ids, other.ids), (one.segments, other.segments)]
    if one.features is not None and other.features is not None:
        arrays += [(one.features.rows, other.features.rows), (one.features.values, other.features.values)]
    plain = [
        # The text itself does not come back from another process.
        replace(each, ids=None, segments=None, features=None, understood=replace(each.understood, text=UNREAD.text))
        for each in (one, other)
    ]
    return (
        (one.features is None) == (other.features is None)
        and all(np.array_equal(mine, its) and mine.dtype == its.dtype for mine, its in arrays)
        and plain[0] == plain[1]
    )


@st.composite
def tokens(draw: st.DrawFn) -> Tokens:
    length = draw(st.integers(1, 6))
    count = draw(st.one_of(st.none(), st.integers(0, 4)))
    features = None if count is None else Features(np.arange(count, dtype=np.int32), np.ones(count, np.float32) / 3)
    named = draw(st.sampled_from([{}, {TextKind.PRODUCT: frozenset({"color:red"})}]))
    return Tokens(np.arange(length, dtype=np.int32), np.ones(length, np.int32), features, named, draw(st.booleans()))


@given(st.lists(tokens(), min_size=1, max_size=8))
def test_what_is_packed_for_another_process_is_unpacked_as_it_was(some: list[Tokens]) -> None:
    found = EncodedTexts.of(some).tokens()

    assert len(found) == len(some)
    assert all(map(same, some, found))


@pytest.fixture(scope="module")
def pool() -> EncoderPool:
    bundle = load_bundle("starter")
    decoder = Decoder(bundle.schema, bundle.calibration, bundle.thresholds)
    with EncoderPool(Encoder.without_weights(bundle, decoder), 2) as pool:
        yield pool


def test_the_pool_gives_what_the_bundles_encoder_gives(pool: EncoderPool) -> None:
    bundle = load_bundle("starter")
    decoder = Decoder(bundle.schema, bundle.calibration, bundle.thresholds)
    reader = Reader(bundle.schema, bundle.thresholds, bundle.tokenizer, bundle.weights.wide)
    encoder = Encoder(bundle.tokenizer, decoder, reader)
    texts = [ProductText.of(f"blue wool scarf {number}", "for women " * number) for number in range(75)]

    assert all(map(same, encoder(texts), pool(texts)))
    assert all(map(same, encoder(texts[:3]), pool(texts[:3])))
    assert pool([]) == []


def test_a_process_that_is_killed_is_never_the_fault_of_a_text(pool: EncoderPool) -> None:
    texts = [ProductText.of(f"scarf {number}") for number in range(64)]
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    encoders = [pid for pid in children if b"--multiprocessing-fork" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(int(encoders[-1]), signal.SIGKILL)

    def use() -> None:
        while True:  # until the pool has noticed
            pool(texts)

    with pytest.raises(EncoderPoolError, match="model.encoders") as caught:
        use()

    assert isinstance(caught.value, OURS)

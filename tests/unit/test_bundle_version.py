"""A bundle's version: equal for equal answers, different after any change of what determines them."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangtag.bundle import EncoderConfig, load_bundle, version_of
from hangtag.bundle.weight_file import weights_to_bytes
from hangtag.tags.keyed import ScoringPath
from hangtag.tags.schema import Rule, TagSchema
from hangtag.tags.thresholds import Calibration, KeyedCalibration, KeyedThresholds, TagThresholds, Thresholds
from hangtag.text.kind import TextKind
from tests.unit.test_bundle import ENCODER, SCHEMA, calibration_of, make_weights, thresholds_of, write

THRESHOLDS = thresholds_of(dict.fromkeys(SCHEMA.tags, TagThresholds(auto=0.9, review=0.5)))
CALIBRATION = calibration_of(color=1.5, genre=1.0)
PARTS: dict[str, Any] = {
    "encoder": ENCODER,
    "schema": SCHEMA,
    "thresholds": THRESHOLDS,
    "calibration": CALIBRATION,
    "tokenizer_sha256": "0" * 64,
    "model_sha256": "1" * 64,
}
VERSION = version_of(**PARTS)
keys = st.tuples(st.sampled_from(TextKind), st.sampled_from(ScoringPath))


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"created": "2027-01-01T00:00:00Z"},
        {"base_model": "other"},
        {"data_fingerprint": "other"},
        {"recipe": {"epochs": 9}},
        {"metrics": {"color": 0.9}},
    ],
)
def test_runs_with_equal_weights_and_decisions_have_the_same_version(tmp_path: Path, changes: dict[str, Any]) -> None:
    first, second = write(tmp_path / "a"), write(tmp_path / "b", **changes)
    assert first.version == second.version
    assert first.integrity != second.integrity


def test_layout_and_order_in_the_files_do_not_matter(tmp_path: Path) -> None:
    written = write(tmp_path / "a")
    reordered = thresholds_of(dict(reversed(THRESHOLDS.entry(TextKind.PRODUCT).tags.items())))
    assert write(tmp_path / "b", thresholds=reordered).version == written.version


@st.composite
def changed_thresholds(draw: st.DrawFn) -> KeyedThresholds:
    tag = draw(st.sampled_from(SCHEMA.tags))
    auto = draw(st.floats(0.5, 2))
    changed = TagThresholds(auto=auto, review=draw(st.floats(0, auto)))
    tags = {**THRESHOLDS.entry(TextKind.PRODUCT).tags, tag: changed}
    return _with_entry(THRESHOLDS, draw(keys), Thresholds(tags=tags))


@st.composite
def changed_calibration(draw: st.DrawFn) -> KeyedCalibration:
    temperatures = {"color": 1.5, "genre": 1.0, draw(st.sampled_from(["color", "genre"])): draw(st.floats(0.1, 9))}
    return _with_entry(CALIBRATION, draw(keys), Calibration(temperatures=temperatures))


def _with_entry(keyed: Any, key: tuple[TextKind, ScoringPath], entry: Any) -> Any:
    kind, path = key
    return type(keyed)(root={**keyed.root, kind: {**keyed.root.get(kind, {}), path: entry}})


@st.composite
def changed_encoder(draw: st.DrawFn) -> EncoderConfig:
    values = {
        "heads": st.sampled_from([1, 2, 8]),
        "norm_epsilon": st.floats(1e-9, 1e-3),
        "max_tokens": st.integers(2, 64),
        "tail_tokens": st.integers(0, 47),
        "layers": st.integers(1, 9),
        "segments": st.integers(1, 9),
    }
    name = draw(st.sampled_from(sorted(values)))
    return ENCODER.model_copy(update={name: draw(values[name])})


tags = st.sampled_from(SCHEMA.tags)
rules = st.lists(st.builds(Rule, kind=st.sampled_from(["implies", "excludes"]), when=tags, then=tags), max_size=2)
changed_schema = st.builds(
    TagSchema,
    facets=st.sampled_from([SCHEMA.facets, SCHEMA.facets[::-1]]),
    rules=rules.map(tuple),
    blocked=st.sets(tags, max_size=3).map(lambda found: tuple(sorted(found))),
)
digests = st.binary(max_size=4).map(lambda content: hashlib.sha256(content).hexdigest())
changes = st.one_of(
    st.tuples(st.just("thresholds"), changed_thresholds()),
    st.tuples(st.just("calibration"), changed_calibration()),
    st.tuples(st.just("encoder"), changed_encoder()),
    st.tuples(st.just("schema"), changed_schema),
    st.tuples(st.sampled_from(["tokenizer_sha256", "model_sha256"]), digests),
)


@given(changes)
def test_the_version_changes_exactly_when_a_part_does(change: tuple[str, Any]) -> None:
    name, part = change

    assert (version_of(**PARTS | {name: part}) == VERSION) == (part == PARTS[name])


def test_every_byte_of_weights_and_tokenizer_counts(tmp_path: Path) -> None:
    before = write(tmp_path / "a")
    weights = make_weights()
    bias = weights.head_bias.copy()
    bias[0] = np.nextafter(bias[0], np.float32(9))

    after = write(tmp_path / "b", weights=replace(weights, head_bias=bias))

    assert weights_to_bytes(weights) == (tmp_path / "a" / "model.safetensors").read_bytes()
    assert after.version != before.version
    assert load_bundle(tmp_path / "b").version == after.version

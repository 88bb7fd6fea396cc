"""Which entry is used for a kind of text and a scoring path."""

import pytest
from pydantic import ValidationError

from hangtag.tags.keyed import ScoringPath, UnsupportedPathError
from hangtag.tags.thresholds import Calibration, KeyedCalibration, TagThresholds, Thresholds
from hangtag.text.kind import TextKind

PRODUCT, QUERY = TextKind.PRODUCT, TextKind.QUERY
FULL, SKIPPED = ScoringPath.FULL, ScoringPath.ENCODER_SKIPPED


def entry(temperature: float) -> Calibration:
    return Calibration(temperatures={"color": temperature})


@pytest.mark.parametrize(
    ("has", "kind", "path", "used"),
    [
        ({(PRODUCT, FULL), (QUERY, FULL)}, QUERY, FULL, (QUERY, FULL)),
        ({(PRODUCT, FULL), (QUERY, FULL)}, PRODUCT, FULL, (PRODUCT, FULL)),
        ({(PRODUCT, FULL)}, QUERY, FULL, (PRODUCT, FULL)),
        ({(PRODUCT, FULL), (PRODUCT, SKIPPED), (QUERY, FULL)}, QUERY, SKIPPED, (PRODUCT, SKIPPED)),
        ({(PRODUCT, FULL), (QUERY, FULL)}, QUERY, SKIPPED, None),
        ({(PRODUCT, FULL), (QUERY, SKIPPED)}, PRODUCT, SKIPPED, None),
    ],
)
def test_the_exact_entry_else_that_of_products_on_the_same_path(has, kind, path, used):
    values = {key: entry(number) for number, key in enumerate(sorted(has), 1)}
    root: dict = {}
    for (its_kind, its_path), value in values.items():
        root.setdefault(its_kind, {})[its_path] = value
    keyed = KeyedCalibration(root=root)

    assert keyed.keys == sorted(has)
    if used is None:
        with pytest.raises(UnsupportedPathError, match="encoder_skipped"):
            keyed.entry(kind, path)
    else:
        assert keyed.entry(kind, path) is values[used]


@pytest.mark.parametrize("root", [{}, {"query": {"full": {"temperatures": {}}}}, {"product": {}}])
def test_products_on_the_full_path_always_have_an_entry(root):
    with pytest.raises(ValidationError, match="no entry for kind 'product' and path 'full'"):
        KeyedCalibration.model_validate(root)


def test_json_is_read_back():
    keyed = KeyedCalibration(root={PRODUCT: {FULL: entry(1), SKIPPED: entry(2)}, QUERY: {FULL: entry(3)}})

    assert KeyedCalibration.model_validate_json(keyed.model_dump_json()) == keyed
    assert KeyedCalibration.of_products(entry(1)).model_dump(mode="json") == {
        "product": {"full": {"temperatures": {"color": 1.0}}}
    }


def test_map_changes_every_entry():
    keyed = KeyedCalibration(root={PRODUCT: {FULL: entry(1)}, QUERY: {FULL: entry(3)}})

    doubled = keyed.map(lambda old: entry(2 * old.temperatures["color"]))

    assert [doubled.entry(kind).temperatures["color"] for kind in (PRODUCT, QUERY)] == [2, 6]


def test_a_bundle_that_uses_its_wide_part_as_it_is_keeps_its_file() -> None:
    usual, other = Calibration(temperatures={"class": 2.0}), Calibration(temperatures={"class": 2.0}, wide_strength=0)

    assert usual.model_dump() == {"temperatures": {"class": 2.0}}
    assert Calibration.model_validate_json(other.model_dump_json()) == other


def test_thresholds_without_languages_keep_their_file() -> None:
    tags = {"class:a": TagThresholds(auto=0.9, review=0.5)}
    usual, english = Thresholds(tags=tags), Thresholds(tags=tags, languages=("en",))

    assert set(usual.model_dump()) == {"tags"}
    assert Thresholds.model_validate_json(english.model_dump_json()) == english

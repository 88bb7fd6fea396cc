"""Whatever the scores, no tag outside the schema, no blocked tag and no tag that breaks a rule is returned."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangtag.tags.decoding import Decoder
from hangtag.tags.keyed import ScoringPath
from hangtag.tags.schema import Rule, TagSchema
from hangtag.tags.tagset import Source, TagSet
from hangtag.tags.thresholds import Calibration, KeyedCalibration, KeyedThresholds, TagThresholds, Thresholds
from hangtag.text.kind import TextKind
from tests.bundles import tiny_schema
from tests.tag_rules import names, violations

SCHEMA = tiny_schema()


PRODUCT, QUERY = TextKind.PRODUCT, TextKind.QUERY


def thresholds_of(schema: TagSchema, auto: float = 0.5, review: float = 0.2) -> Thresholds:
    return Thresholds(tags=dict.fromkeys(schema.tags, TagThresholds(auto=auto, review=review)))


def calibration_of(schema: TagSchema, temperature: float = 1.0) -> Calibration:
    return Calibration(temperatures={facet.name: temperature for facet in schema.facets})


def decoder(schema: TagSchema, auto: float = 0.5, review: float = 0.2) -> Decoder:
    return Decoder.for_products(schema, calibration_of(schema), thresholds_of(schema, auto, review))


def decode(decoder: Decoder, rows: np.ndarray) -> list[TagSet]:
    return decoder.decode(rows, [PRODUCT] * len(rows))


def logits(**high: float) -> np.ndarray:
    row = np.full(len(SCHEMA.tags), -4.0, np.float32)
    for tag, score in high.items():
        row[SCHEMA.index[tag.replace("_", ":")]] = score
    return row[None, :]


def test_softmax_inside_single_facets_and_sigmoid_in_multi():
    confidences = np.exp(decoder(SCHEMA).log_confidences(np.random.default_rng(0).normal(size=(5, len(SCHEMA.tags)))))

    assert np.allclose(confidences[:, SCHEMA.slices["segment"]].sum(axis=1), 1, atol=1e-6)
    assert not np.allclose(confidences[:, SCHEMA.slices["genre"]].sum(axis=1), 1, atol=1e-2)


def test_dress_has_color_and_no_genre():
    (tags,) = decode(decoder(SCHEMA), logits(segment_clothing=4, class_dresses=4, color_red=4, genre_rpg=4))

    assert names(tags.tags) == ["segment:clothing", "class:dresses", "color:red"]
    assert tags.review == ()


def test_cat_food_has_neither_color_nor_genre():
    row = logits(segment_pets=4, color_red=4, genre_rpg=4)
    row[0, SCHEMA.index["class:cat food"]] = 4

    (tags,) = decode(decoder(SCHEMA), row)

    assert names(tags.tags) == ["segment:pets", "class:cat food"]


def test_game_has_genres_by_falling_confidence():
    (tags,) = decode(
        decoder(SCHEMA), logits(segment_games=4, class_software=4, genre_rpg=1, genre_action=3, genre_indie=-1)
    )

    assert names(tags.tags) == ["segment:games", "class:software", "genre:action", "genre:rpg"]
    assert names(tags.review) == ["genre:indie"]


def test_facets_with_a_parent_are_decided_together():
    """The segment's scores favour pets slightly, the class's favour dresses clearly: the path through clothing wins."""
    (tags,) = decode(
        decoder(SCHEMA, auto=0.1, review=0.1), logits(segment_pets=2.1, segment_clothing=2, class_dresses=6)
    )

    assert names(tags.tags)[:2] == ["segment:clothing", "class:dresses"]


def test_child_of_a_tag_in_review_is_in_review():
    certain_class_uncertain_segment = logits(segment_clothing=0.2, segment_games=0.0, segment_pets=0.0, class_dresses=6)

    (tags,) = decode(decoder(SCHEMA), certain_class_uncertain_segment)

    assert tags.tags == ()
    assert names(tags.review)[:2] == ["segment:clothing", "class:dresses"]


def test_rules_imply_and_exclude():
    schema = tiny_schema(
        rules=(
            Rule(kind="implies", when="color:navy", then="genre:indie"),
            Rule(kind="implies", when="genre:rpg", then="genre:action"),
            Rule(kind="excludes", when="genre:action", then="genre:indie"),
        )
    )

    (tags,) = decode(decoder(schema), logits(segment_games=4, class_software=4, genre_rpg=3, genre_indie=3))

    assert names(tags.tags) == ["segment:games", "class:software", "genre:action", "genre:rpg"]
    assert {each.tag: each.source for each in tags.tags}["genre:action"] is Source.RULE


@pytest.mark.parametrize(("kind", "color"), [("implies", "color_red"), ("excludes", "color_navy")])
def test_a_rule_of_a_tag_that_is_not_served_does_nothing(kind, color):
    """Genres do not apply to clothes, so a genre's rule changes nothing there."""
    schema = tiny_schema(rules=(Rule(kind=kind, when="genre:rpg", then="color:navy"),))
    row = logits(segment_clothing=6, class_dresses=6, genre_rpg=3, **{color: 6})

    (tags,), (plain,) = decode(decoder(schema), row), decode(decoder(SCHEMA), row)

    assert names(tags.tags) == ["segment:clothing", "class:dresses", color.replace("_", ":")]
    assert tags == plain


def test_what_a_rule_added_disappears_with_its_cause():
    schema = tiny_schema(
        rules=(
            Rule(kind="implies", when="genre:rpg", then="genre:action"),
            Rule(kind="excludes", when="genre:indie", then="genre:rpg"),
        )
    )

    (tags,) = decode(decoder(schema), logits(segment_games=4, class_software=4, genre_rpg=3, genre_indie=3))

    assert names(tags.tags) == ["segment:games", "class:software", "genre:indie"]


def test_a_rule_within_a_single_facet_renames():
    schema = tiny_schema(rules=(Rule(kind="implies", when="color:navy", then="color:blue"),))

    (tags,) = decode(decoder(schema), logits(segment_clothing=6, class_dresses=6, color_navy=6))

    assert names(tags.tags) == ["segment:clothing", "class:dresses", "color:blue"]


def test_scores_that_are_not_finite_are_refused():
    row = logits(segment_games=np.nan)

    with pytest.raises(ValueError, match="not finite"):
        decode(decoder(SCHEMA), row)


def two_kinds(schema: TagSchema) -> Decoder:
    """Queries have thresholds and temperatures of their own."""
    full = ScoringPath.FULL
    return Decoder(
        schema,
        KeyedCalibration(root={PRODUCT: {full: calibration_of(schema)}, QUERY: {full: calibration_of(schema, 3.0)}}),
        KeyedThresholds(root={PRODUCT: {full: thresholds_of(schema)}, QUERY: {full: thresholds_of(schema, 0.7, 0.6)}}),
    )


@given(
    kinds=st.lists(st.sampled_from(TextKind), max_size=6),
    scores=st.lists(st.floats(-6, 6, width=32), min_size=6 * len(SCHEMA.tags), max_size=6 * len(SCHEMA.tags)),
)
def test_each_row_is_decoded_with_the_values_of_its_kind(kinds, scores):
    rows = np.asarray(scores, np.float32).reshape(6, -1)[: len(kinds)]
    of_queries = Decoder.for_products(SCHEMA, calibration_of(SCHEMA, 3.0), thresholds_of(SCHEMA, 0.7, 0.6))
    alone = {PRODUCT: decoder(SCHEMA), QUERY: of_queries}

    found = two_kinds(SCHEMA).decode(rows, kinds)

    expected = [alone[kind].decode(row[None], [kind])[0] for kind, row in zip(kinds, rows, strict=True)]
    assert found == expected


def test_kinds_without_values_of_their_own_use_those_of_products():
    row = logits(segment_games=4, class_software=4, genre_rpg=3)
    decoded = decoder(SCHEMA).decode(np.concatenate([row, row]), [PRODUCT, QUERY])

    assert decoded[0] == decoded[1]
    assert decoded[0].tags


def test_there_is_one_kind_per_row():
    with pytest.raises(ValueError, match="1 rows of scores need as many kinds of text, not 2"):
        decoder(SCHEMA).decode(logits(), [PRODUCT, QUERY])


tag = st.sampled_from(SCHEMA.tags)
rule = st.builds(Rule, kind=st.sampled_from(["implies", "excludes"]), when=tag, then=tag).filter(
    lambda each: each.when != each.then
)


@given(
    rules=st.lists(rule, max_size=4),
    blocked=st.sets(tag, max_size=4),
    scores=st.lists(st.floats(-8, 8, width=32), min_size=len(SCHEMA.tags), max_size=len(SCHEMA.tags)),
    auto=st.floats(0.05, 0.9),
)
def test_decoded_tags_break_no_rule_of_the_schema(rules, blocked, scores, auto):
    schema = tiny_schema(rules=tuple(rules), blocked=tuple(sorted(blocked)))
    (tags,) = decode(decoder(schema, auto=auto, review=auto / 2), np.asarray([scores], np.float32))

    assert violations(schema, tags) == []

"""Nothing outside the schema, nothing blocked and nothing that breaks a rule comes out, whatever the scores say."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangtag.tags.decoding import Decoder
from hangtag.tags.schema import Rule, TagSchema
from hangtag.tags.tagset import Source, TagSet
from hangtag.tags.thresholds import Band, Calibration, Cut, Thresholds
from tests.bundles import tiny_schema

SCHEMA = tiny_schema()


def decoder(schema: TagSchema, auto: float = 0.5, review: float = 0.2, **cuts: Cut) -> Decoder:
    thresholds = Thresholds(
        tags={tag: cuts.get(tag.replace(":", "_"), Cut(auto=auto, review=review)) for tag in schema.tags}
    )
    return Decoder(schema, Calibration(temperatures={facet.name: 1.0 for facet in schema.facets}), thresholds)


def logits(**high: float) -> np.ndarray:
    row = np.full(len(SCHEMA.tags), -4.0, np.float32)
    for tag, score in high.items():
        row[SCHEMA.index[tag.replace("_", ":")]] = score
    return row[None, :]


def names(scored) -> list[str]:
    return [each.tag for each in scored]


def test_softmax_inside_single_facets_and_sigmoid_in_multi():
    confidences = np.exp(decoder(SCHEMA).log_confidences(np.random.default_rng(0).normal(size=(5, len(SCHEMA.tags)))))

    assert np.allclose(confidences[:, SCHEMA.slices["segment"]].sum(axis=1), 1, atol=1e-6)
    assert not np.allclose(confidences[:, SCHEMA.slices["genre"]].sum(axis=1), 1, atol=1e-2)


def test_dress_has_color_and_no_genre():
    (tags,) = decoder(SCHEMA).decode(logits(segment_clothing=4, class_dresses=4, color_red=4, genre_rpg=4))

    assert names(tags.tags) == ["segment:clothing", "class:dresses", "color:red"]
    assert tags.review == ()


def test_cat_food_has_neither_color_nor_genre():
    row = logits(segment_pets=4, color_red=4, genre_rpg=4)
    row[0, SCHEMA.index["class:cat food"]] = 4

    (tags,) = decoder(SCHEMA).decode(row)

    assert names(tags.tags) == ["segment:pets", "class:cat food"]


def test_game_has_genres_by_falling_confidence():
    (tags,) = decoder(SCHEMA).decode(
        logits(segment_games=4, class_software=4, genre_rpg=1, genre_action=3, genre_indie=-1)
    )

    assert names(tags.tags) == ["segment:games", "class:software", "genre:action", "genre:rpg"]
    assert names(tags.review) == ["genre:indie"]


def test_path_beats_facets_that_contradict_each_other():
    """Segment alone says pets by a hair, class says dresses plainly: the path through clothing wins."""
    (tags,) = decoder(SCHEMA, auto=0.1, review=0.1).decode(
        logits(segment_pets=2.1, segment_clothing=2, class_dresses=6)
    )

    assert names(tags.tags)[:2] == ["segment:clothing", "class:dresses"]


def test_child_of_a_tag_in_review_is_in_review():
    sure_class_unsure_segment = logits(segment_clothing=0.2, segment_games=0.0, segment_pets=0.0, class_dresses=6)

    (tags,) = decoder(SCHEMA).decode(sure_class_unsure_segment)

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

    (tags,) = decoder(schema).decode(logits(segment_games=4, class_software=4, genre_rpg=3, genre_indie=3))

    assert names(tags.tags) == ["segment:games", "class:software", "genre:action", "genre:rpg"]
    assert {each.tag: each.source for each in tags.tags}["genre:action"] is Source.RULE


@pytest.mark.parametrize(("kind", "color"), [("implies", "color_red"), ("excludes", "color_navy")])
def test_a_rule_of_a_tag_that_is_not_served_does_nothing(kind, color):
    """Genres are not told of clothes: what one of them would change stays as it is."""
    schema = tiny_schema(rules=(Rule(kind=kind, when="genre:rpg", then="color:navy"),))
    row = logits(segment_clothing=6, class_dresses=6, genre_rpg=3, **{color: 6})

    (tags,), (plain,) = decoder(schema).decode(row), decoder(SCHEMA).decode(row)

    assert names(tags.tags) == ["segment:clothing", "class:dresses", color.replace("_", ":")]
    assert tags == plain


def test_what_a_rule_added_goes_with_its_cause():
    schema = tiny_schema(
        rules=(
            Rule(kind="implies", when="genre:rpg", then="genre:action"),
            Rule(kind="excludes", when="genre:indie", then="genre:rpg"),
        )
    )

    (tags,) = decoder(schema).decode(logits(segment_games=4, class_software=4, genre_rpg=3, genre_indie=3))

    assert names(tags.tags) == ["segment:games", "class:software", "genre:indie"]


def test_a_rule_within_a_single_facet_renames():
    schema = tiny_schema(rules=(Rule(kind="implies", when="color:navy", then="color:blue"),))

    (tags,) = decoder(schema).decode(logits(segment_clothing=6, class_dresses=6, color_navy=6))

    assert names(tags.tags) == ["segment:clothing", "class:dresses", "color:blue"]


def test_scores_that_are_no_numbers_are_refused():
    row = logits(segment_games=np.nan)

    with pytest.raises(ValueError, match="no numbers"):
        decoder(SCHEMA).decode(row)


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
def test_whatever_comes_out_breaks_nothing(rules, blocked, scores, auto):
    schema = tiny_schema(rules=tuple(rules), blocked=tuple(sorted(blocked)))
    (tags,) = decoder(schema, auto=auto, review=auto / 2).decode(np.asarray([scores], np.float32))

    assert violations(schema, tags) == []


def violations(schema: TagSchema, tags: TagSet) -> list[str]:
    """Read from the schema alone, not from the decoder's own checks."""
    auto, known = set(names(tags.tags)), set(names(tags.tags)) | set(names(tags.review))
    found = [f"unknown {each}" for each in known - set(schema.tags)]
    found += [f"blocked {each}" for each in known & set(schema.blocked)]
    found += [f"band {each}" for each in (*tags.tags, *tags.review) if not 0 <= each.confidence <= 1]
    found += [f"band {each}" for each in tags.tags if each.band is not Band.AUTO]
    for served in (auto, known):
        for facet in schema.facets:
            of_facet = [each for each in served if each.startswith(f"{facet.name}:")]
            if facet.kind == "single" and len(of_facet) > 1:
                found.append(f"two of {facet.name}")
            if of_facet and facet.applies_when and not served & set(facet.applies_when):
                found.append(f"{facet.name} does not apply")
            if facet.parent:
                found += [f"orphan {each}" for each in of_facet if not served & set(schema.parents[each])]
    return found + rule_violations(schema, tags, known)


def rule_violations(schema: TagSchema, tags: TagSet, known: set[str]) -> list[str]:
    auto, found = set(names(tags.tags)), []
    for each in schema.rules:
        if each.kind == "implies" and each.when in auto and each.then not in auto:
            found.append(f"{each.when} without {each.then}")
        if each.kind == "excludes" and each.when in auto and each.then in known:
            found.append(f"{each.when} with {each.then}")
    for served in tags.tags:
        causes = {rule.when for rule in schema.rules if rule.kind == "implies" and rule.then == served.tag}
        # A cause of its own single facet gave it its place.
        renamed = not served.tag.startswith("genre:") and any(
            cause.split(":")[0] == served.tag.split(":")[0] for cause in causes
        )
        if served.source is Source.RULE and not renamed and not causes & auto:
            found.append(f"{served.tag} without a cause")
    return found

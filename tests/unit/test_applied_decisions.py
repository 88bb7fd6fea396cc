"""People's decisions over what a model predicts."""

from hangtag.tags.decisions import Decision, apply_decisions
from hangtag.tags.schema import Facet, FacetKind, Rule, TagSchema
from hangtag.tags.tagset import ScoredTag, Source, TagSet
from hangtag.tags.thresholds import Band

SCHEMA = TagSchema(
    facets=(
        Facet(name="family", kind=FacetKind.SINGLE, values=("shoes", "coats")),
        Facet(name="class", kind=FacetKind.SINGLE, values=("boots", "parkas"), parent="family"),
        Facet(name="mode", kind=FacetKind.MULTI, values=("solo", "online")),
    ),
    parents={"class:boots": ("family:shoes",), "class:parkas": ("family:coats",)},
    rules=(Rule(kind="excludes", when="family:coats", then="mode:online"),),
)


def auto(tag, confidence=0.9):
    return ScoredTag(tag, confidence, Source.MODEL, Band.AUTO)


def review(tag, confidence=0.5):
    return ScoredTag(tag, confidence, Source.MODEL, Band.REVIEW)


def names(tags):
    return [each.tag for each in tags]


PREDICTED = TagSet((auto("family:shoes"), auto("class:boots"), auto("mode:online")), (review("mode:solo"),))


def test_no_decision_changes_nothing():
    assert apply_decisions(PREDICTED, (), SCHEMA) == PREDICTED


def test_a_rejected_tag_is_not_served_nor_shown_for_review():
    found = apply_decisions(PREDICTED, [Decision("mode:online", False), Decision("mode:solo", False)], SCHEMA)

    assert (names(found.tags), found.review) == (["family:shoes", "class:boots"], ())


def test_an_accepted_tag_is_served_as_a_persons():
    found = apply_decisions(PREDICTED, [Decision("mode:solo", True)], SCHEMA)

    assert ScoredTag("mode:solo", 1.0, Source.HUMAN, Band.AUTO) in found.tags
    assert names(found.tags) == ["family:shoes", "class:boots", "mode:solo", "mode:online"]
    assert found.review == ()


def test_an_accepted_tag_takes_the_place_of_a_single_facets_predictions_and_of_what_they_carried():
    found = apply_decisions(PREDICTED, [Decision("family:coats", True)], SCHEMA)

    assert names(found.tags) == ["family:coats"], "boots are under shoes, and coats exclude online"
    assert names(found.review) == ["mode:solo"]


def test_the_last_decision_about_a_tag_counts():
    both = [Decision("mode:online", False), Decision("mode:online", True)]

    assert "mode:online" in names(apply_decisions(PREDICTED, both, SCHEMA).tags)
    assert "mode:online" not in names(apply_decisions(PREDICTED, both[::-1], SCHEMA).tags)


def test_without_a_schema_only_decided_tags_change():
    found = apply_decisions(PREDICTED, [Decision("family:shoes", False)], None)

    assert names(found.tags) == ["class:boots", "mode:online"]


def test_an_accepted_tag_that_the_schema_does_not_have_is_not_served():
    found = apply_decisions(PREDICTED, [Decision("mode:couch", True), Decision("smell:fresh", True)], SCHEMA)

    assert names(found.tags) == names(PREDICTED.tags)

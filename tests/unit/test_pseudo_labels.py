"""Pseudo-labels of products that have labels: none contradicts these."""

from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra train)")

from hangtag.tagger.scores import Scores
from hangtag.tags.schema import Facet, FacetKind, TagSchema
from hangtag.tags.tagset import ScoredTag, Source, TagSet
from hangtag.tags.thresholds import Band
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.recipe.teaching import PseudoLabels
from hangtag.trainer.teaching.pseudo_labels import pseudo_labelled

SCHEMA = TagSchema(
    facets=(
        Facet(name="segment", kind=FacetKind.SINGLE, values=("garden", "wear")),
        Facet(name="family", kind=FacetKind.SINGLE, values=("clothing", "footwear", "tools"), parent="segment"),
        Facet(name="class", kind=FacetKind.SINGLE, values=("boot", "dress", "rake"), parent="family"),
        Facet(name="color", kind=FacetKind.SINGLE, values=("blue", "red")),
    ),
    parents={
        "family:clothing": ("segment:wear",),
        "family:footwear": ("segment:wear",),
        "family:tools": ("segment:garden",),
        "class:boot": ("family:footwear",),
        "class:dress": ("family:clothing",),
        "class:rake": ("family:tools",),
    },
)
DRESS = ("segment:wear", "family:clothing", "class:dress", "color:red")


class Teacher:
    """A teacher with the same predictions for every product."""

    def __init__(self, *tags: str) -> None:
        self.bundle = SimpleNamespace(schema=SCHEMA)
        self.decoder = SimpleNamespace(named=lambda _text: {})
        self.predicted = TagSet(tuple(ScoredTag(tag, 0.9, Source.MODEL, Band.AUTO) for tag in tags), ())

    def encode(self, texts, _kinds):
        return [()] * len(texts)

    def forward(self, tokens):
        return Scores(np.zeros((len(tokens), len(SCHEMA.tags)), np.float32), [{}] * len(tokens))

    def decode(self, scores, _kinds):
        return [self.predicted] * len(scores)


@pytest.mark.parametrize(
    ("labels", "given"),
    [
        ((), set(DRESS)),
        (("segment:wear",), set(DRESS)),
        (("family:footwear",), {"segment:wear", "color:red"}),
        (("segment:garden",), {"color:red"}),
        (("class:boot",), {"segment:wear", "color:red"}),
        (("class:rake",), {"color:red"}),
        (("color:blue",), set(DRESS) - {"color:red"}),
    ],
)
def test_no_tag_is_added_that_contradicts_a_label_by_the_tags_parents(labels, given):
    facets = frozenset(tag.split(":")[0] for tag in labels)
    product = LabelledProduct("1", "a dress", "", "", facets, frozenset(labels))
    settings = PseudoLabels(teachers=("x",))

    (found,) = pseudo_labelled([product], [Teacher(*DRESS)], settings, dict.fromkeys(DRESS, 9), 7)

    assert found.tags == given | set(labels)


def test_a_product_labelled_with_no_family_gets_no_class():
    product = LabelledProduct("1", "a dress", "", "", frozenset({"family"}), frozenset())
    settings = PseudoLabels(teachers=("x",), facets=("class", "color"))

    (found,) = pseudo_labelled([product], [Teacher(*DRESS)], settings, dict.fromkeys(DRESS, 9), 7)

    assert found.tags == {"color:red"}

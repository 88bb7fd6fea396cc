"""A tagger for tests of searches."""

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np

from hangtag.evidence.support import Support
from hangtag.tagger.suggested import Suggested
from hangtag.tags.about import About
from hangtag.tags.tagset import ScoredTag, Source, TagSet
from hangtag.tags.thresholds import Band, KeyedThresholds, TagThresholds, Thresholds
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.text.understood import NoTags, Understood
from tests.bundles import tiny_schema
from tests.integration.server.parts import FakeTagger

SCHEMA = tiny_schema(blocked=("color:navy",)).model_copy(
    update={
        "about": {"class:shoes": About(label="Shoes", synonyms=("sneakers",), codes={"gs1": "10001070"})},
        "sensitive": ("genre", "color:red"),
    }
)


def tag(name: str, confidence: float = 0.75, band: Band = Band.AUTO) -> ScoredTag:
    return ScoredTag(name, confidence, Source.MODEL, band)


NAMED, HINTED = Support(("word",), is_named=True), Support(("word",))
# By the number of words of a text.
ANSWERS = {
    1: Suggested(TagSet((), (), refusal=NoTags.OFF_TOPIC)),
    2: Suggested(
        TagSet((tag("segment:clothing", 0.9), tag("class:shoes", 0.8)), (tag("color:red", 0.5, Band.REVIEW),)),
        {"class:shoes": NAMED, "color:red": NAMED, "segment:clothing": NAMED},
        Understood(ProductText(""), excluded=("color:blue",)),
    ),
    3: Suggested(TagSet((tag("color:red"), tag("color:blue")), ()), {"color:red": NAMED, "color:blue": NAMED}),
    4: Suggested(
        TagSet((tag("class:dresses", 0.3),), (tag("color:red", 0.49, Band.REVIEW),)), {"class:dresses": HINTED}
    ),
    5: Suggested(TagSet((), (), refusal=NoTags.TOO_SHORT)),
}


class WordTagger(FakeTagger):
    """Answers a text by its number of words."""

    def __init__(self) -> None:
        super().__init__()
        thresholds = Thresholds(
            tags=dict.fromkeys(SCHEMA.tags, TagThresholds(auto=0.5, review=0.25)),
            words={"color:red": ("red",), "color:blue": ("blue",)},
        )
        self.bundle = SimpleNamespace(
            **vars(self.bundle), scope=None, schema=SCHEMA, thresholds=KeyedThresholds.of_products(thresholds)
        )

    def decode(self, logits: np.ndarray, _kinds: Sequence[TextKind]) -> list[TagSet]:
        return [ANSWERS[int(n)].tags for (n,) in logits]

    def explain(self, scores: np.ndarray, _tags: Sequence[TagSet], _kinds: Sequence[TextKind]) -> list[Suggested]:
        return [ANSWERS[int(n)] for (n,) in scores]

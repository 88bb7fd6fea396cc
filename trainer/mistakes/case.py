"""One product's mistake or doubt in one facet."""

from dataclasses import dataclass
from enum import StrEnum

from hangtag.tags.tagset import ScoredTag
from hangtag.tags.thresholds import Band
from hangtag.trainer.data.labelled import LabelledProduct


class CaseKind(StrEnum):
    """What is the matter with a product's tags in a facet."""

    WRONG_AUTO = "wrong, AUTO"
    """A tag that is used without review contradicts the labels."""
    WRONG = "wrong"
    """The best tag contradicts the labels, but is not AUTO."""
    MISSING = "missing"
    """A label of a multi facet is not predicted, and nothing wrong is."""
    DOUBT = "doubt"
    """What is predicted agrees with the labels, but is not AUTO."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A training product with a similar text, with its labels in the case's facet; `similarity` is in [0, 1]."""

    product_id: str
    title: str
    labels: tuple[str, ...]
    similarity: float


@dataclass(frozen=True, slots=True)
class Case:
    """A mistake or a doubt.

    `predicted` are the tags that the case is about: the top tag of a single facet, the tags in AUTO or REVIEW of a
    multi facet. `candidates` are the most likely tags of the facet, the likeliest first. `row` is the product's place
    among the validation products, `source` the names of its files, `language` an ISO 639-1 code or empty.
    """

    kind: CaseKind
    facet: str
    row: int
    product: LabelledProduct
    labels: tuple[str, ...]
    predicted: tuple[str, ...]
    band: Band
    confidence: float
    candidates: tuple[ScoredTag, ...]
    source: str
    language: str
    neighbours: tuple[Neighbour, ...] = ()

    @property
    def pair(self) -> tuple[str, str] | None:
        """The label and the tag predicted in its place, if that is one of each."""
        wrong = [tag for tag in self.predicted if tag not in self.labels]
        missed = [tag for tag in self.labels if tag not in self.predicted]
        return (missed[0], wrong[0]) if len(wrong) == 1 and len(missed) == 1 else None

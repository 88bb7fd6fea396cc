"""The question that divides the products that are left best.

The person looks for one of the candidates, each as likely as the others. They are offered some values of one facet, and
"something else" for the products without any of these. After the answer they look through what is left, half of it on
average; a question costs them about as much as a few products. So a question is worth asking if it spares them more
products than it costs.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pyroaring import BitMap

MIN_CHOICES = 2
MAX_CHOICES = 5

# What reading a question costs, and each of its answers, in products looked at.
_QUESTION_COST = 2.0
_ANSWER_COST = 0.5
# Questions that leave up to so much more than the best one count as equally good: then the easiest is asked.
_TIE = 1.05


class End(StrEnum):
    """Why there is no question."""

    FEW_PRODUCTS = "FEW_PRODUCTS"
    """So few candidates are left that not even a question that singled one out would be worth asking."""
    NOTHING_DIVIDES = "NOTHING_DIVIDES"
    """No facet divides the candidates well enough."""
    NO_PRODUCTS = "NO_PRODUCTS"
    """There are no candidates."""


@dataclass(frozen=True, slots=True)
class Facet:
    """A facet that may be asked about.

    Attributes:
        name: its name.
        counts: its values, each with the candidates that have it, most first.
        having: the products with a value; some may be no candidates.
        refused: the products that are left out if "something else" is answered and the value was offered.
    """

    name: str
    counts: Sequence[tuple[str, int]]
    having: Callable[[str], BitMap]
    refused: Callable[[str], BitMap]


@dataclass(frozen=True, slots=True)
class Question:
    """A facet and the values to offer.

    Attributes:
        facet: the facet's name; empty if there is no question.
        choices: values, each with the candidates that have it, most first.
        others: candidates without any of these values, who answer "something else".
        expected: how many candidates are left after the answer, on average.
        end: why there is no question; None if there is one.
    """

    facet: str
    choices: tuple[tuple[str, int], ...]
    others: int
    expected: float
    end: End | None = None

    @property
    def answers(self) -> int:
        """How many answers there are to choose from."""
        return len(self.choices) + bool(self.others)


def best_question(candidates: BitMap, facets: Iterable[Facet], max_choices: int = MAX_CHOICES) -> Question:
    """The question after which the fewest candidates are left, or none if showing them helps more.

    Of questions that leave about the same number, the one with the fewest answers is taken, then the one whose facet
    comes first. `max_choices` is 2 to 5.
    """
    count = len(candidates)
    if not count:
        return Question("", (), 0, 0.0, End.NO_PRODUCTS)
    if _spared(count, 1.0) <= _cost(MIN_CHOICES):
        return Question("", (), 0, float(count), End.FEW_PRODUCTS)
    worth = [
        (place, question)
        for place, facet in enumerate(facets)
        for question in _questions(candidates, facet, max_choices)
        if _spared(count, question.expected) > _cost(question.answers)
    ]
    if not worth:
        return Question("", (), 0, float(count), End.NOTHING_DIVIDES)
    enough = min(question.expected for _, question in worth) * _TIE
    as_good = ((each.answers, place, each.others, each) for place, each in worth if each.expected <= enough)
    return min(as_good, key=lambda found: found[:3])[3]


def expected_candidates(candidates: BitMap, offered: Sequence[BitMap], refused: Sequence[BitMap]) -> float:
    """How many candidates are left, on average, once the person has chosen one of these values or none of them.

    Who looks for a product with several of the values names any of them. `refused` are the products that are left out
    if none is chosen.
    """
    count = len(candidates)
    sizes = [candidates.intersection_cardinality(each) for each in offered]
    others = count - candidates.intersection_cardinality(BitMap.union(*offered))
    left = count - candidates.intersection_cardinality(BitMap.union(*refused))
    if sum(sizes) == count - others:  # no candidate has two of them
        return (sum(size * size for size in sizes) + others * left) / count
    # Parts of the candidates that have the same of the values, each with the sizes that these lead to.
    parts: list[tuple[BitMap, tuple[int, ...]]] = [(candidates, ())]
    for each, size in zip(offered, sizes, strict=True):
        split = [(part & each, (*named, size)) for part, named in parts]
        parts = [found for found in (*split, *((part - each, named) for part, named in parts)) if found[0]]
    return sum(len(part) * (sum(named) / len(named) if named else left) for part, named in parts) / count


def _questions(candidates: BitMap, facet: Facet, max_choices: int) -> Iterable[Question]:
    """The facet's questions, with the most frequent two values, three, and so on."""
    count = len(candidates)
    # What all candidates have divides nothing.
    dividing = [(value, size) for value, size in facet.counts if 0 < size < count][:max_choices]
    bitmaps = [facet.having(value) for value, _ in dividing]
    refused = [facet.refused(value) for value, _ in dividing]
    for choices in range(MIN_CHOICES, len(dividing) + 1):
        offered = bitmaps[:choices]
        others = count - candidates.intersection_cardinality(BitMap.union(*offered))
        expected = expected_candidates(candidates, offered, refused[:choices])
        yield Question(facet.name, tuple(dividing[:choices]), others, expected)


def _spared(count: int, expected: float) -> float:
    """Products that are not looked at because of an answer."""
    return (count - expected) / 2


def _cost(answers: int) -> float:
    return _QUESTION_COST + answers * _ANSWER_COST

"""Which cases somebody wants to see."""

from collections.abc import Iterable
from dataclasses import dataclass

from hangtag.tags.thresholds import Band
from hangtag.trainer.errors import TrainerError
from hangtag.trainer.mistakes.case import Case, CaseKind


class SelectionError(TrainerError):
    """A selection names something that no case has; the message says what there is."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Conditions that all must hold; what is not set does not restrict.

    `tags` are labels or predicted tags, `pair` is a label and the tag predicted in its place.
    """

    facets: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    shops: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()
    bands: frozenset[Band] = frozenset()
    kinds: frozenset[CaseKind] = frozenset()
    pair: tuple[str, str] | None = None

    def of(self, cases: Iterable[Case]) -> list[Case]:
        """The cases for which it holds, in their order.

        Raises:
            SelectionError: a value is that of no case at all.
        """
        cases = list(cases)
        self._check(cases)
        return [case for case in cases if self._holds(case)]

    def _holds(self, case: Case) -> bool:
        return (
            (not self.facets or case.facet in self.facets)
            and (not self.tags or not self.tags.isdisjoint((*case.labels, *case.predicted)))
            and (not self.shops or case.product.shop in self.shops)
            and (not self.languages or case.language in self.languages)
            and (not self.bands or case.band in self.bands)
            and (not self.kinds or case.kind in self.kinds)
            and (self.pair is None or case.pair == self.pair)
        )

    def _check(self, cases: list[Case]) -> None:
        known = {
            "facet": (self.facets, {case.facet for case in cases}),
            "tag": (self.tags, {tag for case in cases for tag in (*case.labels, *case.predicted)}),
            "shop": (self.shops, {case.product.shop for case in cases} - {""}),
            "language": (self.languages, {case.language for case in cases} - {""}),
        }
        for what, (asked, there) in known.items():
            if unknown := sorted(asked - there):
                some = ", ".join(sorted(there)[:10]) or "none"
                msg = f"no case has the {what} {', '.join(unknown)}; there are: {some}"
                raise SelectionError(msg)

"""Writing the page of a run's mistakes and doubts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from hangtag.trainer.files.atomic_file import write_text
from hangtag.trainer.judging.slices import Slice, SliceBy, slices_of
from hangtag.trainer.mistakes.case import Case, CaseKind
from hangtag.trainer.mistakes.cases import cases_of, is_right, likeliest
from hangtag.trainer.mistakes.exported import row_of
from hangtag.trainer.mistakes.nearest import with_neighbours
from hangtag.trainer.mistakes.page import page_of
from hangtag.trainer.mistakes.selection import Selection
from hangtag.trainer.reporting.gather import Gathered, gather


@dataclass(frozen=True, slots=True)
class Review:
    """A run's selected cases, and its slices by what they are divided by."""

    gathered: Gathered
    cases: Sequence[Case]
    slices: Mapping[SliceBy, Sequence[Slice]]

    def to_json(self) -> dict[str, Any]:
        """Plain values: numbers of cases by kind, the cases and the slices."""
        return {
            "counts": {kind.value: sum(case.kind is kind for case in self.cases) for kind in CaseKind},
            "cases": [row_of(case) for case in self.cases],
            "slices": {by.value: [each.to_json() for each in found] for by, found in self.slices.items()},
        }

    def write(self, path: Path, *, with_texts: bool) -> None:
        """Write the page.

        Raises:
            OSError: it cannot be written.
        """
        products = len(self.gathered.validation)
        page = page_of(self.gathered.bundle.manifest, self.cases, self.slices, products, with_texts=with_texts)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, page)


def review(
    run: Path,
    data: Path,
    selection: Selection,
    *,
    shops: Mapping[str, str] | None = None,
    on_stage: Callable[[str], None] = lambda _: None,
) -> Review:
    """Tag the validation products of a finished run, and find what is wrong or doubtful.

    `shops` are the shops of products, by id; what the files say of other products stays.

    Raises:
        RecipeError, LabelledFileError, ReportError: see `gather`.
        SelectionError: the selection names something that no case has.
    """
    gathered = gather(run, data, on_stage)
    if shops:
        gathered = gathered.with_shops(dict(shops))
    on_stage("Looking for mistakes and doubts")
    sources = list(chain.from_iterable([each.name] * len(each.validation) for each in gathered.sources))
    candidates = likeliest(gathered)
    cases = selection.of(cases_of(gathered, candidates, sources))
    on_stage("Looking for similar training products")
    cases = with_neighbours(cases, gathered.train)
    right = is_right(gathered, candidates)
    slices = {by: slices_of(by, gathered.validation, right, sources) for by in SliceBy}
    several = {by: found for by, found in slices.items() if len({each.name for each in found}) > 1}
    return Review(gathered, cases, several)

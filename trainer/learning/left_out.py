"""How good new tags are on examples that they were not learnt from, and what more examples would change."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hangtag.trainer.judging.power_law import predicted_score
from hangtag.trainer.judging.promise import lower_bound
from hangtag.trainer.learning.lesson import Lesson

# From this number of examples on, several are left out at a time: each turn takes about a tenth of a second.
_MOST_TURNS = 40
_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class TagLeftOut:
    """One tag on texts that it was not learnt from.

    `found` of its `examples` get the tag, in REVIEW, and `wrong` of the `others` get it too. With half of the examples
    to learn from, `found_with_half` of them get it. `at_least` of all such products do, at 95 % confidence; with twice
    the examples `with_twice` are expected to.
    """

    examples: int
    found: int
    others: int
    wrong: int
    found_with_half: int
    at_least: float
    with_twice: float


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Every new tag's figures. `turns` is how often the tags were learnt: as often as there are examples, or 40."""

    turns: int
    tags: Mapping[str, TagLeftOut]

    def to_json(self) -> dict[str, Any]:
        """Plain values, by tag."""
        return {tag: asdict(each) for tag, each in self.tags.items()}


def left_out(lesson: Lesson, on_turn: Callable[[int, int], object] = lambda *_: None) -> LeftOut:
    """Learn the tags again and again without one example, and without a part of the other texts, and tag these.

    `on_turn` is called with the number of turns that are done, and of all of them.
    """
    examples = np.flatnonzero(lesson.fits.any(axis=1))
    against = np.flatnonzero(~lesson.fits.any(axis=1))
    turns = min(len(examples), _MOST_TURNS)
    # Examples of one tag follow each other, so that each turn leaves out as many of each as possible.
    examples = examples[np.argsort(lesson.fits[examples].argmax(axis=1), kind="stable")]
    counts = {tag: np.zeros(3, np.int64) for tag in lesson.new.tags}  # found, wrong, found with half
    for turn in range(turns):
        out = np.concatenate([examples[turn::turns], against[turn::turns]])
        kept = np.setdiff1d(np.arange(len(lesson.texts)), out)
        half = np.concatenate([np.setdiff1d(against, out), *_halves(lesson, np.setdiff1d(examples, out))])
        for tag, fits, is_found in _answers(lesson, kept, out):
            counts[tag] += [fits and is_found, is_found and not fits, 0]
        for tag, fits, is_found in _answers(lesson, half, examples[turn::turns]):
            counts[tag][2] += fits and is_found
        on_turn(turn + 1, turns)
    totals = lesson.fits.sum(axis=0)
    return LeftOut(
        turns,
        {
            tag: _figures(int(totals[at]), len(lesson.texts) - int(totals[at]), *map(int, counts[tag]))
            for at, tag in enumerate(lesson.new.tags)
        },
    )


def _figures(examples: int, others: int, found: int, wrong: int, found_with_half: int) -> TagLeftOut:
    sizes, scores = (examples // 2, examples), (found_with_half / examples, found / examples)
    return TagLeftOut(
        examples,
        found,
        others,
        wrong,
        found_with_half,
        lower_bound(found, examples, _CONFIDENCE),
        predicted_score(sizes, scores, 2 * examples),
    )


def _halves(lesson: Lesson, examples: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> Iterator[Any]:
    """Every second example of each tag."""
    for at in range(len(lesson.new.tags)):
        yield examples[lesson.fits[examples, at] & (lesson.fits[examples].argmax(axis=1) == at)][::2]


def _answers(lesson: Lesson, learnt_from: Any, asked: Any) -> Iterator[tuple[str, bool, bool]]:
    """For each asked text and each new tag: whether it fits, and whether it is served or suggested."""
    tagged = lesson.tagged(lesson.rows(learnt_from), asked)
    for row, tags in zip(asked, tagged, strict=True):
        shown = {each.tag for each in (*tags.tags, *tags.review)}
        for at, tag in enumerate(lesson.new.tags):
            yield tag, bool(lesson.fits[row, at]), tag in shown

"""What a re-tag is for, and when it waits."""

import pytest

from hangtag.records import TaggedProduct, encode_tags
from hangtag.store import Entry, PartitionProgress, bundle_prefix
from hangtag.tags.tagset import ScoredTag, Source, TagSet
from hangtag.tags.thresholds import Band
from hangtag.workers.retag import LivePace, Selection, SelectionError

BUNDLE = "3fa9" + "0" * 60


def entry(tags: tuple[str, ...] = (), review: tuple[str, ...] = ()) -> Entry:
    def scored(names, band):
        return tuple(ScoredTag(name, 0.9, Source.MODEL, band) for name in names)

    found = TagSet(scored(tags, Band.AUTO), scored(review, Band.REVIEW))
    return Entry("a", 1, encode_tags(TaggedProduct("a", 1, found, BUNDLE, 1)), bundle_prefix(BUNDLE))


@pytest.mark.parametrize(
    ("parts", "is_selected"),
    [
        ([], True),
        (["color"], True),
        (["class"], True),
        (["size"], False),
        (["color:red"], True),
        (["class:boots"], True),
        (["color:blue"], False),
        (["band:review"], True),
        (["bundle:3fa9"], True),
        (["bundle:3fa8"], False),
        (["color:red", "band:review", "bundle:3fa90"], True),
        (["color:red", "size"], False),
    ],
)
def test_a_product_is_selected_if_all_parts_hold(parts, is_selected):
    assert Selection.of(parts).has(entry(("color:red",), ("class:boots",))) is is_selected


def test_nothing_to_review_is_not_selected_by_its_band():
    assert not Selection.of(["band:review"]).has(entry(("color:red",)))


@pytest.mark.parametrize("part", ["band:auto", "bundle:xyz", "bundle:3f", "", ":red", "color:"])
def test_a_part_that_cannot_be_understood_is_refused(part):
    with pytest.raises(SelectionError, match="--only"):
        Selection.of([part])


class Workers:
    """What workers say of their progress. `behind` is how many records of one partition are not settled."""

    def __init__(self) -> None:
        self.behind = 0
        self.at_ms = 1
        self.is_silent = False

    def read(self) -> dict[int, PartitionProgress]:
        self.at_ms += 0 if self.is_silent else 500
        return {0: PartitionProgress(10, 10, 10 + self.behind, 0, 0, 100.0, (), "w", self.at_ms)}


class Time:
    def __init__(self) -> None:
        self.now_s = 100.0
        self.slept: list[float] = []
        self.on_sleep = lambda: None

    def now(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds
        self.on_sleep()


def test_it_waits_until_the_workers_have_caught_up():
    workers, time, told = Workers(), Time(), []
    workers.behind = 5_000
    time.on_sleep = lambda: setattr(workers, "behind", max(0, workers.behind - 1_000))
    pace = LivePace(workers, 0, told.append, time.sleep, time.now)

    pace.take(1)

    assert workers.behind <= 50
    assert told[0] == 5_000
    assert sum(time.slept) >= 0.8


def test_what_is_always_on_its_way_is_no_reason_to_wait():
    workers, time = Workers(), Time()
    workers.behind = 50
    pace = LivePace(workers, 0, pytest.fail, time.sleep, time.now)

    pace.take(1)

    assert time.slept == []


def test_workers_that_say_nothing_new_do_not_hold_it_up_for_ever():
    """They were killed, and left their last measurement; whose clock is right does not matter."""
    workers, time = Workers(), Time()
    workers.behind, workers.is_silent = 5_000, True
    pace = LivePace(workers, 0, lambda _: None, time.sleep, time.now)

    pace.take(1)

    assert 4 < sum(time.slept) < 7


def test_no_more_texts_a_second_than_allowed():
    time = Time()
    pace = LivePace(None, 10, pytest.fail, time.sleep, time.now)

    for _ in range(50):
        pace.take(1)

    assert time.now_s == pytest.approx(104.9)


def test_what_was_not_used_is_not_caught_up():
    time = Time()
    pace = LivePace(None, 10, pytest.fail, time.sleep, time.now)
    pace.take(1)
    time.now_s += 60
    began = time.now_s

    for _ in range(50):
        pace.take(1)

    assert time.now_s - began > 3.5

"""An item that fails never makes others fail (invariant 3), and halving finds it in few runs."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangtag.tagger.isolate import Failure, isolate


@given(st.lists(st.booleans(), max_size=40))
def test_only_bad_items_fail(is_bad: list[bool]):
    def work(items: Sequence[tuple[int, bool]]) -> list[int]:
        if any(bad for _, bad in items):
            raise ValueError
        return [number for number, _ in items]

    results = isolate(work, list(enumerate(is_bad)))

    assert [isinstance(result, Failure) for result in results] == is_bad
    assert all(bad or result == at for at, (bad, result) in enumerate(zip(is_bad, results, strict=True)))


def test_one_bad_item_costs_two_runs_per_halving():
    runs = []

    def work(items: Sequence[int]) -> Sequence[int]:
        runs.append(len(items))
        if 700 in items:
            raise ValueError
        return items

    (failure,) = [result for result in isolate(work, range(1_024)) if isinstance(result, Failure)]

    assert failure.attempts == 11
    assert len(runs) == 21


def test_a_wrong_number_of_results_fails_every_item():
    results = isolate(lambda _: [], [1, 2])

    assert [type(result.error) for result in results] == [ValueError, ValueError]


class DeviceLostError(Exception):
    pass


def test_a_fatal_error_is_raised_at_once():
    def work(items: Sequence[int]) -> Sequence[int]:
        raise DeviceLostError

    with pytest.raises(DeviceLostError):
        isolate(work, [1, 2, 3], fatal=(DeviceLostError,))

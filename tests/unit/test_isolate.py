"""An item that fails never makes others fail (invariant 3), halving finds it in few runs, and faults are told apart."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from tokenizers import Tokenizer, models, pre_tokenizers

from hangtag.engine import DeviceError, OutOfMemory
from hangtag.tagger.faults import FaultError
from hangtag.tagger.isolate import Failure, isolate


def works() -> None:
    """A probe of an engine that works."""


@given(st.lists(st.booleans(), max_size=40))
def test_only_bad_items_fail(is_bad: list[bool]):
    def work(items: Sequence[tuple[int, bool]]) -> list[int]:
        if any(bad for _, bad in items):
            raise ValueError
        return [number for number, _ in items]

    results = isolate(work, list(enumerate(is_bad)), works)

    assert [isinstance(result, Failure) for result in results] == is_bad
    assert all(bad or result == at for at, (bad, result) in enumerate(zip(is_bad, results, strict=True)))


def test_one_bad_item_costs_two_runs_per_halving_and_one_more_alone():
    runs = []

    def work(items: Sequence[int]) -> Sequence[int]:
        runs.append(len(items))
        if 700 in items:
            raise ValueError
        return items

    (failure,) = [result for result in isolate(work, range(1_024), works) if isinstance(result, Failure)]

    assert failure.attempts == 12
    assert len(runs) == 22


def test_a_wrong_number_of_results_fails_every_item():
    results = isolate(lambda _: [], [1, 2], works)

    assert [type(result.error) for result in results] == [ValueError, ValueError]


@pytest.mark.parametrize("count", [1, 2, 8])
def test_an_error_that_does_not_come_again_fails_no_item_and_is_logged_without_its_message(count: int):
    calls = 0

    def work(items: Sequence[int]) -> Sequence[int]:
        nonlocal calls
        calls += 1
        if calls == 1:
            msg = "a red dress"
            raise RuntimeError(msg)
        return items

    with capture_logs() as logs:
        assert isolate(work, range(count), works) == list(range(count))

    assert [line["event"] for line in logs] == ["failed_once"]
    assert logs[0]["error"].startswith("RuntimeError at ")
    assert "red" not in str(logs)


class DeviceLostError(FaultError):
    pass


def test_an_engine_that_is_down_ends_the_run_at_the_first_failure():
    runs = []

    def work(items: Sequence[int]) -> Sequence[int]:
        runs.append(len(items))
        raise RuntimeError

    def probe() -> None:
        raise DeviceLostError

    with pytest.raises(DeviceLostError):
        isolate(work, range(8), probe)

    assert runs == [8]


def test_a_device_that_dies_later_condemns_no_item():
    """The engine is asked again for each item: its first answers say nothing about the later ones."""
    asked = 0

    def work(items: Sequence[int]) -> Sequence[int]:
        if asked >= 2 or 0 in items:
            raise RuntimeError
        return items

    def probe() -> None:
        nonlocal asked
        asked += 1
        if asked > 2:
            raise DeviceLostError

    with pytest.raises(DeviceLostError):
        isolate(work, range(50), probe)


@pytest.mark.parametrize("fault", [MemoryError, OutOfMemory, OSError, DeviceError])
def test_memory_disk_and_device_are_no_items_fault(fault: type[Exception]):
    """Even if a harmless item works: a text cannot cause them."""

    def work(items: Sequence[int]) -> Sequence[int]:
        if 3 in items:
            msg = "why"
            raise fault(msg)
        return items

    with pytest.raises(FaultError, match=f"not of a text: {fault.__name__} at .*: why") as caught:
        isolate(work, range(5), works)

    assert isinstance(caught.value.__cause__, fault)


@pytest.mark.parametrize("fault", [MemoryError, OSError])
def test_a_fault_of_the_machine_and_then_an_error_that_passes_condemn_no_item(fault: type[Exception]):
    errors = [fault(), RuntimeError()]

    def work(items: Sequence[int]) -> Sequence[int]:
        if errors:
            raise errors.pop(0)
        return items

    assert isolate(work, [7], works) == [7]


def test_a_bad_item_fails_after_a_fault_of_the_machine_too():
    errors = [MemoryError(), ValueError(), ValueError()]

    def work(_items: Sequence[int]) -> Sequence[int]:
        raise errors.pop(0)

    (failure,) = isolate(work, [7], works)

    assert isinstance(failure, Failure)
    assert failure.attempts == 3


def test_too_little_memory_for_a_batch_halves_it_without_a_probe():
    def work(items: Sequence[int]) -> Sequence[int]:
        if len(items) > 3:
            raise MemoryError
        return items

    def probe() -> None:
        raise DeviceLostError

    assert isolate(work, range(20), probe) == list(range(20))


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_process_gives_no_results_at_all(stop: type[BaseException]):
    def work(items: Sequence[int]) -> Sequence[int]:
        if 3 in items:
            raise stop
        return items

    with pytest.raises(stop):
        isolate(work, range(5), works)


def test_a_panic_of_the_tokenizer_is_the_failure_of_one_text():
    """It is no `Exception`: without care one text would end the process again and again."""
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "[UNK]": 1}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.enable_truncation(max_length=2, stride=2)

    def work(texts: Sequence[str]) -> list[int]:
        return [len(tokenizer.encode(text).ids) for text in texts]

    found = isolate(work, ["a", "a a a a a a", "a a"], works)

    assert [found[0], found[2]] == [1, 2]
    assert isinstance(found[1], Failure)
    assert not isinstance(found[1].error, Exception)

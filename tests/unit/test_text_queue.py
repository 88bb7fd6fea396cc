"""Which texts are next, and which are refused: single texts before batches, none for ever behind others."""

import asyncio
from collections.abc import Iterator, Sequence

import pytest

from hangtag.server.admission import RefusedError
from hangtag.server.errors import Reason
from hangtag.server.suggestion import Asked, Key, Suggestion
from hangtag.server.text_job import Caller, UntaggableError
from hangtag.server.text_queue import PATIENCE_S, TextQueue
from hangtag.tagger.isolate import Failure
from hangtag.tags.tagset import TagSet
from hangtag.text.kind import TextKind
from hangtag.text.product_text import CleanedFields

FOUND = Suggestion(TagSet((), ()))
OLD = PATIENCE_S + 1.0


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


class Queue:
    """A queue in which texts are named by what they are, with a caller of its own for each call."""

    def __init__(self, loop: asyncio.AbstractEventLoop, most_waiting: int = 1_000) -> None:
        self.queue = TextQueue(most_waiting, 128)
        self._loop = loop

    def add(self, *texts: str, now: float = 0.0, is_single: bool = True, **more: object) -> Caller:
        asked = [Asked(CleanedFields.of(text), TextKind.QUERY) for text in texts]
        by_key: dict[Key, Asked] = {each.key(): each for each in asked}
        caller = Caller(tuple(by_key), self._loop.create_future())
        self.queue.add(by_key, caller, now, is_single=is_single, **more)
        return caller

    def turn(self, now: float, *, is_short: bool = True) -> Sequence[str]:
        return [job.asked.text.first for job in self.queue.turn(now, is_short=is_short).jobs]

    def finish(self, *texts: str, result: Suggestion | Failure = FOUND) -> None:
        for text in texts:
            self.queue.finish(Asked(CleanedFields.of(text), TextKind.QUERY).key(), result)


def test_single_texts_go_before_those_of_batches(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop)
    queue.add("a", "b", is_single=False)
    assert queue.turn(0.1) == ["a", "b"]
    queue.add("c", now=0.1)

    assert queue.turn(0.2) == ["c"]
    queue.finish("c")
    assert queue.turn(0.2) == ["a", "b"]


def test_every_second_turn_is_for_texts_that_have_waited_long(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop)
    queue.add("old")
    queue.add("older")
    queue.add("new", now=OLD)

    turns = [queue.queue.turn(OLD, is_short=True) for _ in range(4)]

    assert [[job.asked.text.first for job in turn.jobs] for turn in turns] == [["old", "older"], ["new"]] * 2
    assert [turn.is_by_age for turn in turns] == [True, False] * 2
    queue.finish("new")
    assert [queue.turn(OLD) for _ in range(2)] == [["old", "older"]] * 2


def test_a_shorter_text_waits_for_one_turn_with_long_ones_not_for_two(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop)
    old, new = "o" * 1_000, "n" * 1_000
    queue.add(old)
    queue.add(new, now=OLD)
    # The new text is as long as texts can be, so it overtakes nothing.
    assert [queue.turn(OLD, is_short=False) for _ in range(3)] == [[old]] * 3

    shorter = "s" * 200
    queue.add(shorter, now=OLD)
    assert shorter in queue.turn(OLD, is_short=False)


def test_short_texts_and_longer_ones_have_turns_of_their_own(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop)
    long = "l" * 1_000
    queue.add("short", long)

    assert queue.turn(0.1) == ["short"]
    assert queue.turn(0.1, is_short=False) == [long]


def test_a_batch_that_has_waited_long_gets_every_second_turn_and_no_more(loop: asyncio.AbstractEventLoop) -> None:
    """However long the single texts have waited: they do not wait for all of an older batch."""
    queue = Queue(loop)
    queue.add("batch", is_single=False)
    queue.add("old", now=0.1)
    queue.add("new", now=OLD)

    turns = [queue.turn(OLD) for _ in range(8)]

    assert turns.count(["batch"]) == 4
    assert ["batch"] not in [turn for turn, before in zip(turns[1:], turns, strict=False) if before == ["batch"]]
    assert turns.count(["old"]) == turns.count(["new"]) == 2


def test_a_text_of_a_batch_that_is_asked_for_alone_too_becomes_a_single_one(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop)
    batch = queue.add("a", "b", is_single=False)
    single = queue.add("b")

    assert queue.turn(0.1) == ["b"]
    queue.finish("b")
    assert single.done.done()
    assert not batch.done.done()
    queue.finish("a")
    assert len(batch.done.result()) == 2


def test_a_text_is_tagged_while_somebody_waits_for_it(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop)
    first, second = queue.add("a"), queue.add("a", "b")
    queue.queue.leave(second)
    assert queue.turn(0.1) == ["a"]

    queue.queue.leave(first)
    assert len(queue.queue) == 0


def test_a_text_that_fails_fails_its_callers_at_once_and_what_only_they_want_is_dropped(
    loop: asyncio.AbstractEventLoop,
) -> None:
    queue = Queue(loop)
    first, second = queue.add("a", "b", is_single=False), queue.add("b")
    queue.finish("a", result=Failure(ValueError(), 2))

    with pytest.raises(UntaggableError):
        first.done.result()
    queue.queue.leave(first)
    assert queue.turn(0.1) == ["b"]
    queue.finish("b")
    assert list(second.done.result().values()) == [FOUND]


def test_batches_never_make_a_single_text_be_refused_nor_the_other_way_round(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop, most_waiting=100)
    texts = [f"text {number}" for number in range(20)]
    # 320 tokens: more than the limit, but nothing else of its kind waits.
    batch = queue.add(*texts, is_single=False)
    with pytest.raises(RefusedError, match="320 tokens of texts are in progress, the maximum is 100"):
        queue.add("another", is_single=False)

    for number in range(6):
        queue.add(f"single {number}")
    with pytest.raises(RefusedError, match="96 tokens of texts are in progress"):
        queue.add("one more")
    # The same text is no more work.
    queue.add("single 0", *texts)
    queue.queue.leave(batch)

    queue.finish("single 0")
    queue.add("one more")


def test_the_limit_of_tokens_limits_the_number_of_short_texts_too(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop, most_waiting=16_384)
    for number in range(1_024):
        queue.add(str(number))

    with pytest.raises(RefusedError):
        queue.add("x")


def test_what_cannot_be_tagged_before_its_deadline_is_refused_at_once(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop)
    queue.add(*(f"text {number}" for number in range(20)), is_single=False)
    rate = 1_000.0

    with pytest.raises(RefusedError, match="320 tokens of texts wait for the model") as caught:
        queue.add("x", is_single=False, tokens_per_s=rate, deadline_s=0.3)
    assert (caught.value.reason, caught.value.retry_after_s) == (Reason.DEADLINE_TOO_SHORT, 0.32)
    queue.add("x", is_single=False, tokens_per_s=rate, deadline_s=0.4)
    # A single text does not wait for the batch.
    queue.add("y", tokens_per_s=rate, deadline_s=0.02)
    with pytest.raises(RefusedError):
        queue.add("z", tokens_per_s=rate, deadline_s=0.02)
    # Nor does a short one wait for long ones.
    queue.add("long " * 190)
    queue.add("v", tokens_per_s=rate, deadline_s=0.06)
    with pytest.raises(RefusedError, match="160 tokens of texts wait"):
        queue.add("short " * 60, tokens_per_s=rate, deadline_s=0.06)
    # The same text as one that waits is no more work.
    queue.add("y", tokens_per_s=rate, deadline_s=0.02)
    # As long as no full batch has run, nobody knows.
    queue.add("z", tokens_per_s=None, deadline_s=0.02)


def test_when_no_text_can_be_tagged_everyone_gets_an_error_of_their_own(loop: asyncio.AbstractEventLoop) -> None:
    queue = Queue(loop)
    callers = [queue.add("a"), queue.add("a", "b"), queue.add("c")]
    queue.queue.fail_all(RuntimeError)

    errors = {id(caller.done.exception()) for caller in callers}
    assert len(errors) == 3
    assert len(queue.queue) == 0

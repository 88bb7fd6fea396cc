"""The breaker: it opens when too many records of a minute are dead letters, and never stays open for ever."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangtag.workers.breaker import LEAST_DEAD, TRY_EVERY_S, TRY_RECORDS, TRY_S, WINDOW_S, Breaker

BATCHES = st.lists(
    st.tuples(st.floats(0, 30), st.integers(0, 300), st.integers(0, 300)).map(
        lambda batch: (batch[0], batch[1] + batch[2], batch[2])
    ),
    min_size=1,
    max_size=40,
)


def opened(now_s: float = 0.0) -> Breaker:
    breaker = Breaker()
    breaker.settled(LEAST_DEAD, LEAST_DEAD, now_s)
    assert breaker.is_open
    return breaker


def sums(batches, since_s: float) -> tuple[int, int]:
    return tuple(sum(batch[place] for batch in batches if batch[0] >= since_s) for place in (1, 2))


@given(BATCHES)
def test_it_opens_when_half_of_a_minute_and_200_records_are_dead_letters(batches):
    """Counts are kept by the second, so the last minute may be a second shorter here, or longer there."""
    breaker, seen, now = Breaker(), [], 0.0
    for elapsed, settled, dead in batches:
        now += elapsed
        seen.append((now, settled, dead))
        breaker.settled(settled, dead, now)
        verdicts = set()
        for start in {
            now - WINDOW_S - 1,
            now - WINDOW_S,
            *(at for at, _, _ in seen if 0 <= now - at - WINDOW_S + 1 <= 2),
        }:
            total, bad = sums(seen, start)
            verdicts.add(bad >= LEAST_DEAD and bad * 2 >= total)
        assert breaker.is_open in verdicts
        if breaker.is_open:
            return


@pytest.mark.parametrize(
    ("dead", "good", "opens"), [(199, 0, False), (200, 0, True), (200, 200, True), (200, 201, False)]
)
def test_both_limits_count(dead, good, opens):
    breaker = Breaker()
    breaker.settled(good, 0, 0)
    breaker.settled(dead, dead, 1)

    assert breaker.is_open is opens


def test_dead_letters_of_an_earlier_minute_do_not_count():
    breaker = Breaker()
    for minute in range(10):
        breaker.settled(150, 150, minute * (WINDOW_S + 2))

    assert not breaker.is_open


@given(st.lists(st.tuples(st.floats(0.01, 40), st.integers(0, 60), st.booleans(), st.booleans()), max_size=60))
def test_a_try_reads_at_most_its_records_and_everything_before_it_is_settled(steps):
    breaker, now, unsettled, in_try = opened(), 0.0, 0, 0
    for elapsed, wanted, is_good, settles in steps:
        now += elapsed
        room = breaker.room(now, unsettled)
        if room is None:
            return
        if room and not unsettled:
            in_try = 0 if room == TRY_RECORDS else in_try
        took = min(wanted, room)
        if room:
            breaker.read(took, now)
        unsettled, in_try = unsettled + took, in_try + took
        assert in_try <= TRY_RECORDS
        if settles and unsettled:
            breaker.settled(unsettled, 0 if is_good else unsettled, now)
            unsettled = 0


@given(st.lists(st.sampled_from(["good", "bad", "nothing"]), min_size=1, max_size=20))
def test_every_30_s_it_tries_again_and_a_try_that_is_not_bad_ends_the_pause(tries):
    breaker, now = opened(), 0.0
    for found in tries:
        assert breaker.room(now + TRY_EVERY_S - 0.1, 0) == 0
        now += TRY_EVERY_S
        assert breaker.room(now, 0) == TRY_RECORDS
        if found == "nothing":
            breaker.read(0, now)
            assert breaker.room(now + TRY_S - 0.1, 0) == TRY_RECORDS
            now += TRY_S
        else:
            breaker.read(TRY_RECORDS, now)
            assert breaker.room(now, TRY_RECORDS) == 0
            dead = TRY_RECORDS // 2 if found == "bad" else TRY_RECORDS // 2 - 1
            breaker.settled(TRY_RECORDS, dead, now)
        if found == "bad":
            assert breaker.room(now, 0) == 0
        else:
            assert breaker.room(now, 0) is None
            assert not breaker.is_open
            return


def test_a_try_waits_until_everything_that_was_read_before_is_settled():
    breaker = opened()

    assert breaker.room(TRY_EVERY_S, unsettled=3) == 0
    breaker.settled(3, 0, TRY_EVERY_S)
    assert breaker.room(TRY_EVERY_S, unsettled=0) == TRY_RECORDS
    assert breaker.counts == (0, 0), "what was read before is no part of the try"


def test_a_person_overrules_it_until_a_minute_was_good():
    breaker = opened()
    breaker.overrule(1)
    assert breaker.room(1, 0) is None

    for second in range(2, 180):
        breaker.settled(100, 100, second)
        assert not breaker.is_open
    breaker.settled(100, 0, 300)
    breaker.settled(LEAST_DEAD, LEAST_DEAD, 301)

    assert breaker.is_open


def test_overruling_a_closed_one_changes_nothing():
    breaker = Breaker()
    breaker.overrule(0)
    breaker.settled(LEAST_DEAD, LEAST_DEAD, 1)

    assert breaker.is_open

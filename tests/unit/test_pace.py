"""The limit of a batch follows what the engine tags in the time that a text may wait for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangtag.server.pace import Pace


def after_full_batches(pace: Pace, tokens_per_s: float, overhead_s: float = 0.0, batches: int = 40) -> Pace:
    for _ in range(batches):
        pace.ran(pace.tokens, overhead_s + pace.tokens / tokens_per_s)
    return pace


@pytest.mark.parametrize("tokens_per_s", [5_000, 16_000, 50_000])
def test_a_full_batch_takes_the_time_that_is_wanted(tokens_per_s: float) -> None:
    pace = after_full_batches(Pace(1_024, 0.016), tokens_per_s)

    assert pace.tokens == pytest.approx(tokens_per_s * 0.016, rel=0.05)
    assert pace.tokens_per_s == pytest.approx(tokens_per_s, rel=0.01)


def test_a_fast_engine_gets_all_that_the_budget_allows() -> None:
    """Each batch of a GPU takes some milliseconds, however small it is."""
    assert after_full_batches(Pace(8_192, 0.016), 1_000_000, overhead_s=0.005).tokens == 8_192


def test_a_slow_engine_still_gets_batches() -> None:
    assert after_full_batches(Pace(1_024, 0.016), 100).tokens == 64


def test_small_batches_say_nothing_about_full_ones() -> None:
    pace = after_full_batches(Pace(1_024, 0.016), 50_000)
    before = pace.tokens, pace.tokens_per_s
    for _ in range(100):
        pace.ran(8, 0.01)

    assert (pace.tokens, pace.tokens_per_s) == before


def test_an_engine_that_becomes_slower_gets_smaller_batches() -> None:
    pace = after_full_batches(Pace(1_024, 0.016), 50_000)

    assert after_full_batches(pace, 10_000).tokens == pytest.approx(160, rel=0.05)


@given(
    st.integers(16, 100_000),
    st.lists(st.tuples(st.integers(1, 200_000), st.floats(0, 100, allow_nan=False)), max_size=30),
)
def test_the_limit_stays_within_the_budget(most: int, batches: list[tuple[int, float]]) -> None:
    pace = Pace(most, 0.016)
    for tokens, took_s in batches:
        pace.ran(tokens, took_s)
        assert min(64, most) <= pace.tokens <= most

"""The planner: never over budget, nothing lost or run twice, the oldest first, no waiting beyond the limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangtag.engine.cost import CostModel, Padding
from hangtag.tagger.planner import Plan, Waiting, plan

LONGEST, BUCKET, NONE = (CostModel(padding, 512) for padding in (Padding.LONGEST, Padding.BUCKET, Padding.NONE))

texts = st.lists(
    st.builds(Waiting, tokens=st.integers(1, 512), arrived_s=st.floats(0, 100, allow_nan=False)), max_size=60
)
budgets = st.integers(1, 3_000)
windows = st.integers(1, 80)
costs = st.sampled_from([LONGEST, BUCKET, NONE])


def batch(waiting: list[Waiting], budget: int, cost: CostModel = LONGEST, window: int = 100) -> tuple[int, ...]:
    """The batch for a free engine."""
    return plan(waiting, budget, 1_000, cost=cost, busy=False, max_wait_s=1, window=window).batch


@given(texts, budgets, windows, costs)
def test_a_batch_is_within_budget_unless_one_text_alone_is_not(waiting, budget, window, cost):
    lengths = [waiting[index].tokens for index in batch(waiting, budget, cost, window)]

    assert len(lengths) <= 1 or cost.of_batch(lengths) <= budget


@given(texts, budgets, windows, costs)
def test_the_batch_holds_the_oldest_and_only_texts_of_the_window(waiting, budget, window, cost):
    chosen = batch(waiting, budget, cost, window)

    by_age = sorted(range(len(waiting)), key=lambda index: (waiting[index].arrived_s, index))
    assert set(chosen) <= set(by_age[:window])
    assert by_age[:1] == [index for index in by_age[:1] if index in chosen]


@given(texts, budgets, windows, costs)
def test_planning_again_and_again_runs_every_text_once(waiting, budget, window, cost):
    remaining = list(enumerate(waiting))
    ran = []
    while remaining:
        chosen = batch([text for _, text in remaining], budget, cost, window)
        assert chosen, "a plan makes progress"
        assert len(set(chosen)) == len(chosen)
        ran += [remaining[place][0] for place in chosen]
        remaining = [text for place, text in enumerate(remaining) if place not in set(chosen)]

    assert sorted(ran) == list(range(len(waiting)))


@given(texts, budgets, costs, st.floats(0, 200), st.floats(0, 5))
def test_no_text_waits_longer_than_the_limit(waiting, budget, cost, now, max_wait_s):
    def planned(at: float) -> Plan:
        return plan(waiting, budget, at, cost=cost, busy=True, max_wait_s=max_wait_s, window=100)

    chosen = planned(now)

    if waiting and not chosen.batch:
        oldest = min(text.arrived_s for text in waiting)
        assert chosen.wait_s is not None
        assert 0 < chosen.wait_s <= max(0, oldest - now) + max_wait_s + 1e-9
        assert planned(oldest + max_wait_s + 1e-6).batch


@given(texts.filter(bool), budgets, windows, costs, st.floats(0, 200))
def test_a_free_engine_never_waits(waiting, budget, window, cost, now):
    assert plan(waiting, budget, now, cost=cost, busy=False, max_wait_s=1e9, window=window).batch


@given(texts.filter(bool), budgets, costs)
def test_a_busy_engine_waits_only_while_another_text_would_fit(waiting, budget, cost):
    chosen = plan(waiting, budget, 0, cost=cost, busy=True, max_wait_s=1_000, window=100)

    lengths = [text.tokens for text in waiting]
    another = sum(lengths) // len(lengths)
    assert bool(chosen.batch) == (cost.of_batch([*lengths, another]) > budget)


@given(texts, budgets, windows, costs, st.booleans())
def test_the_same_arguments_give_the_same_plan(waiting, budget, window, cost, busy):
    first, second = (plan(waiting, budget, 50, cost=cost, busy=busy, max_wait_s=1, window=window) for _ in range(2))

    assert first == second


@given(texts, budgets)
def test_without_padding_texts_run_in_order_of_arrival(waiting, budget):
    chosen = batch(waiting, budget, NONE)

    by_age = sorted(range(len(waiting)), key=lambda index: (waiting[index].arrived_s, index))
    assert set(chosen) == set(by_age[: len(chosen)])


@pytest.mark.parametrize("busy", [False, True])
def test_nothing_waits(busy):
    assert plan([], 512, 0, cost=LONGEST, busy=busy, max_wait_s=1, window=10) == Plan((), None)


def test_a_full_batch_does_not_wait_for_more_texts():
    waiting = [Waiting(100, 0.0)] * 5

    chosen = plan(waiting, 500, 0.0, cost=LONGEST, busy=True, max_wait_s=10, window=10)

    assert chosen.batch == (0, 1, 2, 3, 4)


def test_a_batch_that_is_not_full_waits_for_the_rest_of_the_limit():
    waiting = [Waiting(100, 1.0)]

    assert plan(waiting, 500, 1.25, cost=LONGEST, busy=True, max_wait_s=1, window=10) == Plan((), 0.75)


@pytest.mark.parametrize("cost", [LONGEST, BUCKET])
def test_texts_of_similar_length_run_together(cost):
    short, long = [Waiting(16, 0.0)] * 20, [Waiting(200, 1.0)] * 2

    assert batch([*short, *long], 320, cost) == tuple(range(20))


def test_an_old_short_text_does_not_make_a_wasteful_batch():
    waiting = [Waiting(10, 0.0), *[Waiting(100, 1.0)] * 20]

    assert len(batch(waiting, 1_000)) == 10


def test_an_old_short_text_does_not_make_a_small_batch_if_each_text_is_padded_alone():
    waiting = [Waiting(8, 0.0), *[Waiting(96, 1.0)] * 20]

    assert [waiting[index].tokens for index in batch(waiting, 1_000, BUCKET)] == [8, *[96] * 10]


def test_many_short_texts_do_not_leave_an_old_long_one_alone():
    waiting = [Waiting(256, 0.0), *[Waiting(256, 1.0)] * 10, *[Waiting(10, 1.0)] * 50]

    chosen = batch(waiting, 16_384)

    assert [waiting[index].tokens for index in chosen] == [256] * 11


def test_a_budget_counts_the_tokens_that_the_engine_computes():
    """65 tokens are padded to 72: 7 texts cost 504 with padding and 455 without."""
    waiting = [Waiting(65, float(age)) for age in range(20)]

    assert [len(batch(waiting, 504, cost)) for cost in (BUCKET, NONE)] == [7, 7]
    assert [len(batch(waiting, 503, cost)) for cost in (BUCKET, NONE)] == [6, 7]


def impatient(waiting: list[Waiting], budget: int, now: float, cost: CostModel = BUCKET) -> list[int]:
    """The tokens of the texts of the next batch, where short texts go first until a text has waited for a second."""
    chosen = plan(waiting, budget, now, cost=cost, busy=False, max_wait_s=0, window=100, patience_s=1).batch
    return [waiting[index].tokens for index in chosen]


@given(texts.filter(bool), budgets, costs)
def test_short_texts_first_is_within_budget_and_holds_the_oldest_of_the_short(waiting, budget, cost):
    chosen = plan(waiting, budget, 0, cost=cost, busy=False, max_wait_s=0, window=100, patience_s=1).batch

    lengths = [waiting[index].tokens for index in chosen]
    most = max(32, 2 * min(text.tokens for text in waiting))
    by_age = sorted(range(len(waiting)), key=lambda index: (waiting[index].arrived_s, index))
    short = [index for index in by_age if waiting[index].tokens <= most]
    assert set(chosen) == set(short[: len(chosen)])
    assert len(lengths) == 1 or cost.of_batch(lengths) <= budget


@pytest.mark.parametrize("cost", [LONGEST, BUCKET, NONE])
def test_a_short_text_does_not_wait_for_long_ones(cost):
    waiting = [*[Waiting(128, 0.0)] * 31, Waiting(5, 0.5), Waiting(9, 0.6)]

    assert impatient(waiting, 2_048, 0.9, cost) == [5, 9]


@given(texts.filter(bool), budgets, costs)
def test_a_text_that_has_waited_is_not_overtaken(waiting, budget, cost):
    now = min(text.arrived_s for text in waiting) + 1.5
    chosen = plan(waiting, budget, now, cost=cost, busy=False, max_wait_s=0, window=100, patience_s=1)

    assert chosen == plan(waiting, budget, now, cost=cost, busy=False, max_wait_s=0, window=100)

"""The planner: never over budget, nothing lost or doubled, the oldest first, nothing waits past its bound."""

from hypothesis import given
from hypothesis import strategies as st

from hangtag.workers import Plan, Waiting, plan

texts = st.lists(
    st.builds(Waiting, tokens=st.integers(1, 600), arrived_s=st.floats(0, 100, allow_nan=False)), max_size=60
)
budgets = st.integers(1, 3_000)
windows = st.integers(1, 80)
packings = st.booleans()


def cost(lengths: list[int], packed: bool) -> int:
    return sum(lengths) if packed else max(lengths) * len(lengths)


@given(texts, budgets, windows, packings)
def test_a_batch_is_within_budget_unless_one_text_alone_is_not(waiting, budget, window, packed):
    chosen = plan(waiting, budget, 1_000, max_wait_s=0, window=window, packed=packed).batch

    lengths = [waiting[index].tokens for index in chosen]
    assert not lengths or len(lengths) == 1 or cost(lengths, packed) <= budget


@given(texts, budgets, windows, packings)
def test_the_batch_holds_the_oldest_and_reaches_no_further_than_the_window(waiting, budget, window, packed):
    chosen = plan(waiting, budget, 1_000, max_wait_s=0, window=window, packed=packed).batch

    by_age = sorted(range(len(waiting)), key=lambda index: (waiting[index].arrived_s, index))
    assert set(chosen) <= set(by_age[:window])
    assert by_age[:1] == [index for index in by_age[:1] if index in chosen]


@given(texts, budgets, windows, packings)
def test_planning_again_and_again_runs_every_text_once(waiting, budget, window, packed):
    left = list(enumerate(waiting))
    ran = []
    while left:
        chosen = plan([text for _, text in left], budget, 1_000, max_wait_s=0, window=window, packed=packed).batch
        assert chosen, "a plan makes progress"
        assert len(set(chosen)) == len(chosen)
        ran += [left[place][0] for place in chosen]
        left = [text for place, text in enumerate(left) if place not in set(chosen)]

    assert sorted(ran) == list(range(len(waiting)))


@given(texts, budgets, st.floats(0, 200), st.floats(0, 5))
def test_no_text_waits_for_company_past_its_bound(waiting, budget, now, max_wait_s):
    chosen = plan(waiting, budget, now, max_wait_s=max_wait_s, window=100)

    if waiting and not chosen.batch:
        oldest = min(text.arrived_s for text in waiting)
        assert chosen.wait_s is not None
        assert 0 < chosen.wait_s <= max(0, oldest - now) + max_wait_s + 1e-9
        assert plan(waiting, budget, oldest + max_wait_s + 1e-6, max_wait_s=max_wait_s, window=100).batch


@given(texts, budgets, windows, packings)
def test_the_same_arguments_give_the_same_plan(waiting, budget, window, packed):
    first, second = (plan(waiting, budget, 50, max_wait_s=1, window=window, packed=packed) for _ in range(2))

    assert first == second


def test_nothing_waits():
    assert plan([], 512, 0, max_wait_s=1, window=10) == Plan((), None)


def test_a_full_batch_does_not_wait_for_company():
    waiting = [Waiting(100, 0.0)] * 5

    assert plan(waiting, 500, 0.0, max_wait_s=10, window=10).batch == (0, 1, 2, 3, 4)


def test_a_thin_batch_waits_for_the_rest_of_the_bound():
    assert plan([Waiting(100, 1.0)], 500, 1.25, max_wait_s=1, window=10) == Plan((), 0.75)


def test_alike_lengths_go_together():
    short, long = [Waiting(10, 0.0)] * 20, [Waiting(200, 1.0)] * 2

    assert plan([*short, *long], 400, 5, max_wait_s=0, window=50).batch == tuple(range(20))


def test_an_old_short_text_does_not_make_a_wasteful_batch():
    waiting = [Waiting(10, 0.0), *[Waiting(100, 1.0)] * 20]

    assert len(plan(waiting, 1_000, 5, max_wait_s=0, window=50).batch) == 10


def test_many_short_texts_do_not_leave_an_old_long_one_alone():
    waiting = [Waiting(256, 0.0), *[Waiting(256, 1.0)] * 10, *[Waiting(10, 1.0)] * 50]

    chosen = plan(waiting, 16_384, 5, max_wait_s=0, window=100).batch

    assert [waiting[index].tokens for index in chosen] == [256] * 11

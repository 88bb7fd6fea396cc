"""The products that are looked up most are found by counting a sample, in bounded memory."""

import random
from threading import Thread

from hangtag.server.popular import Popular, merged


def test_of_frequent_products_the_look_ups_are_estimated():
    popular = Popular(seed=1)
    ids = ["hot"] * 60_000 + ["warm"] * 20_000 + ["cold"] * 100
    random.Random(2).shuffle(ids)
    while ids:
        popular.count(ids[-7:])
        del ids[-7:]

    page = popular.page()

    counts = page["lookups"]
    assert page["sampled_one_in"] == 64
    assert list(counts)[:2] == ["hot", "warm"]
    assert 50_000 < counts["hot"] < 70_000
    assert 15_000 < counts["warm"] < 25_000
    assert counts.get("cold", 0) < 1_000


def test_callers_that_ask_in_a_fixed_pattern_are_counted_fairly():
    """Every 64th look-up is another product: a fixed gap would count one of the two only."""
    popular = Popular(seed=1)
    for _ in range(1_500):
        popular.count([*["usual"] * 63, "every 64th"])

    counts = popular.page()["lookups"]

    assert 75_000 < counts["usual"] < 110_000
    assert counts["every 64th"] < 4_000


def test_memory_is_bounded_and_what_is_popular_outlives_many_rare_products():
    popular = Popular(most=10, one_in=1, seed=1)
    for number in range(5_000):
        popular.count([f"rare-{number}", "hot"])
        assert len(popular._counts) <= 20

    first, *others = popular.page()["lookups"].items()

    assert first == ("hot", 5_000)
    assert all(count == 1 for _, count in others)


def test_the_page_shows_a_hundred_products_at_most():
    popular = Popular(one_in=1)
    popular.count([f"p{number}" for number in range(500)])

    assert len(popular.page()["lookups"]) == 100


def test_threads_may_count_at_the_same_time():
    popular = Popular(one_in=2)
    threads = [Thread(target=lambda: [popular.count(["a", "b"]) for _ in range(2_000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    counts = popular.page()["lookups"]

    assert counts.keys() == {"a", "b"}
    assert sum(counts.values()) <= 16_000 * 1.2


def test_the_pages_of_several_processes_are_one():
    first, second = Popular(one_in=1), Popular(one_in=1)
    first.count(["", "a", "a", "b"])
    second.count(["", "b", "b", "c"])

    page = merged([first.page(), second.page()])

    assert list(page["lookups"].items())[:2] == [("b", 3), ("a", 2)]
    assert page["since"] == first.page()["since"]
    assert merged([])["lookups"] == {}

"""What every `TagStore` keeps of versions that were received: one suite for memory and Redis."""

import itertools
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hangtag.store import Arrival, Seen, TagStore
from hangtag.text.limits import MAX_VERSION
from tests.store_behaviour import BIG, deletion, tags

_SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]
versions = st.sampled_from([1, 2, 3, 255, 256, BIG, BIG + 1, MAX_VERSION])
steps = st.tuples(st.sampled_from(["seen", "refused", "tags", "deletion"]), versions)

SeenOf = Callable[[TagStore, str], Seen | None]


def do(store: TagStore, what: str, version: int, product: str = "p") -> None:
    """One step of a program."""
    arrival = Arrival(product, version, 3, version % 1_000)
    if what == "seen":
        store.mark_seen([arrival])
    elif what == "refused":
        store.mark_refused([arrival])
    else:
        store.write([tags(version, product=product) if what == "tags" else deletion(version, product)])


class MarkBehaviour:
    """Subclasses give the fixtures `new_store` and `seen_of`, which reads a product's mark."""

    @given(history=st.lists(steps, max_size=12))
    @settings(max_examples=80, deadline=None, suppress_health_check=_SHARED)
    def test_a_mark_says_what_is_newer_than_what_is_stored(
        self, new_store: Callable[[], TagStore], seen_of: SeenOf, history: list[tuple[str, int]]
    ) -> None:
        store = new_store()
        known: dict[str, list[int]] = {"seen": [], "refused": [], "tags": [], "deletion": []}
        for what, version in history:
            do(store, what, version)
            known[what].append(version)
            held = max(known["tags"] + known["deletion"], default=-1)
            received = max((each for each in known["seen"] + known["refused"] if each > held), default=None)
            refused = max((each for each in known["refused"] if each > held), default=0)
            expected = None if received is None else Seen(received, refused, 3, received % 1_000)
            assert seen_of(store, "p") == expected

    @pytest.mark.parametrize("order", list(itertools.permutations([("seen", 5), ("refused", 5), ("seen", 6)])))
    def test_that_a_version_was_refused_stays_in_whatever_order_programs_say_it(
        self, new_store: Callable[[], TagStore], seen_of: SeenOf, order: list[tuple[str, int]]
    ) -> None:
        store = new_store()
        for what, version in order:
            do(store, what, version)

        assert seen_of(store, "p") == Seen(6, 5, 3, 6)

    def test_of_one_version_the_first_known_place_counts(
        self, new_store: Callable[[], TagStore], seen_of: SeenOf
    ) -> None:
        store = new_store()
        places = [(-1, -1), (0, 70), (0, 90), (-1, -1)]
        found = []
        for place in places:
            store.mark_seen([Arrival("p", 5, *place)])
            found.append(seen_of(store, "p"))

        assert found == [Seen(5), Seen(5, 0, 0, 70), Seen(5, 0, 0, 70), Seen(5, 0, 0, 70)]

    def test_many_products_are_marked_at_once(self, new_store: Callable[[], TagStore], seen_of: SeenOf) -> None:
        store = new_store()
        store.write([tags(5, product=f"p{number}") for number in range(0, 2_000, 2)])

        store.mark_seen([Arrival(f"p{number}", 5, 1, number) for number in range(2_000)])

        assert [seen_of(store, f"p{number}") for number in range(4)] == [None, Seen(5, 0, 1, 1), None, Seen(5, 0, 1, 3)]
        assert sum(seen_of(store, f"p{number}") is not None for number in range(2_000)) == 1_000

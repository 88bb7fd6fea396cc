"""What every `TagStore` does: one suite for the store in memory and for the one in Redis."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hangtag.store import Arrival, Entry, Outcome, TagStore, bundle_prefix
from hangtag.text.limits import MAX_VERSION

OLD_BUNDLE, NEW_BUNDLE = "a" * 64, "b" * 64
BIG = 2**53
# Each example makes a store of its own; the suite runs over several kinds of store.
_SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.differing_executors]


def tags(version: int, bundle: str = OLD_BUNDLE, product: str = "p", sequence: int = 0, revision: int = 0) -> Entry:
    payload = f"tags of {product} {version} {bundle[0]} {sequence} {revision}".encode()
    return Entry(product, version, payload, bundle_prefix(bundle), sequence, revision, bytes(range(16)))


def deletion(version: int, product: str = "p") -> Entry:
    return Entry.deletion(product, version)


# Few values, close together and on both sides of 2^53, so that repeats and neighbours are common.
numbers = st.sampled_from([0, 1, 2, 255, 256, BIG, BIG + 1, MAX_VERSION])
entries = st.one_of(
    st.builds(deletion, numbers),
    st.builds(
        tags,
        numbers,
        bundle=st.sampled_from([OLD_BUNDLE, NEW_BUNDLE]),
        sequence=st.sampled_from([0, 1, 256]),
        revision=st.sampled_from([0, 1, 256]),
    ),
)


class TagStoreBehaviour:
    """Subclasses give the fixture `new_store`, which makes an empty store at each call."""

    @pytest.mark.parametrize(
        ("first", "second", "outcome"),
        [
            (tags(2), tags(3), Outcome.WRITTEN),
            (tags(3), tags(2), Outcome.OLDER),
            (tags(3), tags(2, NEW_BUNDLE), Outcome.OLDER),
            (tags(3), tags(3), Outcome.SAME),
            (tags(3), tags(3, NEW_BUNDLE), Outcome.WRITTEN),
            (tags(255), tags(256), Outcome.WRITTEN),
            (tags(256), tags(255), Outcome.OLDER),
            (tags(9), tags(10), Outcome.WRITTEN),
            (tags(BIG), tags(BIG + 1), Outcome.WRITTEN),
            (tags(BIG + 1), tags(BIG), Outcome.OLDER),
            (tags(MAX_VERSION), tags(MAX_VERSION - 1), Outcome.OLDER),
            (tags(MAX_VERSION - 1), tags(MAX_VERSION), Outcome.WRITTEN),
            (tags(0x0A00), tags(0x0D0A), Outcome.WRITTEN),
            (deletion(3), tags(2), Outcome.OLDER),
            (deletion(3), tags(3), Outcome.OLDER),
            (deletion(3), tags(3, sequence=9, revision=9), Outcome.OLDER),
            (deletion(3), deletion(3), Outcome.SAME),
            (deletion(3), tags(4), Outcome.WRITTEN),
            (tags(3), deletion(3), Outcome.WRITTEN),
            (tags(3, sequence=9, revision=9), deletion(3), Outcome.WRITTEN),
            (tags(3), deletion(2), Outcome.OLDER),
            (tags(3, sequence=1), tags(3, NEW_BUNDLE), Outcome.OLDER),
            (tags(3, sequence=255), tags(3, NEW_BUNDLE, sequence=256), Outcome.WRITTEN),
            (tags(3, sequence=256), tags(3, NEW_BUNDLE, sequence=255), Outcome.OLDER),
            (tags(3, sequence=1), tags(3, NEW_BUNDLE, sequence=1), Outcome.WRITTEN),
            (tags(3, sequence=1), tags(4), Outcome.WRITTEN),
            (tags(3), tags(3, revision=5), Outcome.WRITTEN),
            (tags(3, revision=5), tags(3, revision=5), Outcome.SAME),
            (tags(3, revision=5), tags(3), Outcome.DECIDED),
            (tags(3, revision=5), tags(4), Outcome.DECIDED),
            (tags(3, revision=256), tags(4, revision=255), Outcome.DECIDED),
            (tags(3, revision=5), tags(3, NEW_BUNDLE, sequence=1), Outcome.DECIDED),
            (tags(3, revision=5), tags(2), Outcome.OLDER),
            (tags(3, sequence=1, revision=5), tags(3), Outcome.OLDER),
            (tags(3, revision=5), deletion(4), Outcome.WRITTEN),
        ],
    )
    def test_only_newer_is_written(
        self, new_store: Callable[[], TagStore], first: Entry, second: Entry, outcome: Outcome
    ) -> None:
        store = new_store()

        replies = store.write([first, second])

        assert [reply.outcome for reply in replies] == [Outcome.WRITTEN, outcome]
        assert replies[1].stored == (first if outcome is Outcome.DECIDED else None)
        assert store.read(["p"]) == [second if outcome is Outcome.WRITTEN else first]

    @given(history=st.lists(entries, max_size=12))
    @settings(max_examples=60, deadline=None, suppress_health_check=_SHARED)
    def test_what_is_held_never_becomes_older(self, new_store: Callable[[], TagStore], history: list[Entry]) -> None:
        store = new_store()
        held: Entry | None = None
        for entry in history:
            [reply] = store.write([entry])
            [found] = store.read(["p"])
            assert found == (entry if reply.outcome is Outcome.WRITTEN else held)
            if held is not None and found is not None:
                assert found.rank >= held.rank
                assert found.is_deletion or held.is_deletion or found.revision >= held.revision
                if reply.outcome is Outcome.OLDER:
                    assert entry.rank < held.rank
            held = found
        newest = max(((entry.version, entry.is_deletion) for entry in history), default=None)
        if newest is not None and not any(entry.revision for entry in history):
            assert held is not None
            assert held.rank[:2] == newest

    def test_entries_are_read_as_they_were_written(self, new_store: Callable[[], TagStore]) -> None:
        store = new_store()
        written = [tags(3, product="a", sequence=2, revision=7), deletion(2, "gone")]
        store.write(written)

        assert store.read(["a", "never", "gone", "a"]) == [written[0], None, written[1], written[0]]

    def test_ids_may_be_any_text(self, new_store: Callable[[], TagStore]) -> None:
        store = new_store()
        written = [tags(1, product=product) for product in ("{x}:y", "a b\nc", "鍵", "x" * 256, "\0")]
        store.write(written)

        assert store.read([entry.product_id for entry in written]) == written

    def test_nothing_to_do_is_no_error(self, new_store: Callable[[], TagStore]) -> None:
        store = new_store()

        assert (store.write([]), store.read([])) == ([], [])
        store.mark_seen([])

    def test_a_version_that_does_not_fit_is_refused(self, new_store: Callable[[], TagStore]) -> None:
        store = new_store()

        with pytest.raises(ValueError, match="outside 0"):
            store.mark_seen([Arrival("p", 1), Arrival("q", -1)])
        for wrong in (-1, MAX_VERSION + 1):
            with pytest.raises(ValueError, match="outside 0"):
                tags(wrong)
            with pytest.raises(ValueError, match="outside 0"):
                tags(1, revision=wrong)

    def test_each_store_has_an_identity_of_its_own(self, new_store: Callable[[], TagStore]) -> None:
        first = new_store()
        first.write([tags(1)])
        second = new_store()
        second.write([tags(1)])

        assert len({first.identity, second.identity, ""}) == 3

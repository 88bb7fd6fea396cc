"""The store in memory behaves as every tag store does."""

from collections.abc import Callable

import pytest

from hangtag.store import MemoryTagStore, TagStore
from tests.mark_behaviour import MarkBehaviour, SeenOf
from tests.store_behaviour import TagStoreBehaviour


class TestMemoryTagStore(TagStoreBehaviour, MarkBehaviour):
    @pytest.fixture
    def new_store(self) -> Callable[[], TagStore]:
        return MemoryTagStore

    @pytest.fixture
    def seen_of(self) -> SeenOf:
        return lambda store, product: store.seen.get(product)

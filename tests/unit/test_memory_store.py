"""The store in memory behaves as every tag store does."""

from collections.abc import Callable

import pytest

from hangtag.store import MemoryTagStore, TagStore
from tests.store_behaviour import TagStoreBehaviour


class TestMemoryTagStore(TagStoreBehaviour):
    @pytest.fixture
    def new_store(self) -> Callable[[], TagStore]:
        return MemoryTagStore

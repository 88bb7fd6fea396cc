"""Repairing the products in which the index is wrong, and only those."""

from collections.abc import Callable, Mapping
from operator import itemgetter

from hangtag.cli.index.checking import Checking, Known, open_checking
from hangtag.cli.index.checking import Wrong as Found
from hangtag.cli.index.page import IndexPage
from hangtag.cli.topic import TopicReader
from hangtag.index import Change
from hangtag.records import Record
from hangtag.server.index.repair import NOTHING, Wrong
from hangtag.settings import Settings
from hangtag.write import TaggedRecordError, entry_of

# Fetching more records one by one takes longer than reading the whole topic.
_MOST = 1_000
# A product may change while it is repaired; then the next check finds it again.
_ROUNDS = 3


class Repairing:
    """Repairs what a check found, and checks again. One thread calls it.

    Attributes:
        products: the products that were wrong.
        read_again: why the index had to read the whole topic again; empty if it had not.
    """

    def __init__(self, settings: Settings, show: Callable[[str], None], grace_s: float) -> None:
        self._settings = settings
        self._show = show
        self._grace_s = grace_s
        self._page = IndexPage(settings.index)
        self.products: set[bytes] = set()
        self.read_again = ""

    def run(self, work: Checking) -> Checking:
        """Repair until nothing differs, or until the whole topic was read again. Returns the last check.

        Raises:
            CommandError: as `Checking.run`.
            StoreError: the store does not answer.
        """
        for _ in range(_ROUNDS):
            self.products |= work.wrong.keys()
            if len(work.wrong) > _MOST:
                self.read_again = f"{len(work.wrong):,} products differed, more than are repaired one by one"
                break
            self._page.repair(self._from_topic(work.wrong), self._show)
            work = self._check()
            if not work.differing:
                return work
        self.products |= work.wrong.keys()
        self.read_again = self.read_again or f"{work.differing:,} products still differed after {_ROUNDS} repairs"
        self._page.read_again(self._show)
        return self._check()

    def _check(self) -> Checking:
        with open_checking(self._settings) as work:
            work.run(self._show, self._grace_s)
        return work

    def _from_topic(self, wrong: Mapping[bytes, Found]) -> list[Wrong]:
        """What the topic says of each product; records that are gone from it are left out."""
        found, places = [], []
        for product_id, (rank, known) in wrong.items():
            if known is None:
                found.append(Wrong(rank, Change(product_id, NOTHING, b"")))
            elif known.rank.is_deletion:
                found.append(Wrong(rank, Change(product_id, known.rank, b"")))
            else:
                places.append((product_id, rank, known))
        places.sort(key=lambda each: itemgetter(2, 3)(each[2]))
        with TopicReader(self._settings.kafka, self._settings.kafka.tagged_topic) as reader:
            for place, (product_id, rank, known) in enumerate(places):
                self._show(f"{place:,} of {len(places):,} products read from the topic")
                change = _change_at(reader, known)
                if change is not None and change.product_id == product_id:
                    found.append(Wrong(rank, change))
        return found


def _change_at(reader: TopicReader, known: Known) -> Change | None:
    for records in reader.chunks_between(known.partition, known.offset, known.offset + 1):
        for each in records:
            record = Record.of(each)
            try:
                return Change.of(entry_of(record.key, record.value, record.headers))
            except TaggedRecordError:
                return None
    return None

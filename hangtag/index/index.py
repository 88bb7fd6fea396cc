"""The index of search: which products have which tags, in memory."""

import threading
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet

import numpy as np
from google.protobuf.message import DecodeError
from pyroaring import BitMap

from hangtag.index.change import Change
from hangtag.index.counts import KnownCounts, numbers_of
from hangtag.index.ids import Ids
from hangtag.index.postings import LEVELLED, NONE, Postings, PostingsBuilder, PostingsDraft, bitmap_of, sharing
from hangtag.index.rows import MAX_TAGS, Rows
from hangtag.index.slots import is_review, slot_of, tag_number_of, tag_numbers
from hangtag.index.tag_numbers import TagNumbers
from hangtag.index.values import Values
from hangtag.index.view import Filled, View
from hangtag.tags.thresholds import Band
from hangtag.v1 import tags_pb2

# Products whose postings are made at a time, so that this needs little memory.
_AT_ONCE = 1 << 17

Rank = tuple[int, bool, int, int]
_BELOW_ALL: Rank = (-1, False, 0, 0)


class Index:
    """Takes changes in whatever order and however often they come, and keeps the newest of each product.

    Until `build` is called it only collects, which is faster, and its view is empty. Any thread may call; those that
    change something wait for each other.

    Attributes:
        unreadable: changes whose payload is not a `ProductTags` message, or has more tags than the index can hold.
    """

    def __init__(self, ids: Ids | None = None, tags: TagNumbers | None = None, rows: Rows | None = None) -> None:
        self.ids = Ids() if ids is None else ids
        self.tags = TagNumbers() if tags is None else tags
        self.rows = Rows() if rows is None else rows
        self.unreadable = 0
        self._blocked_tags: frozenset[str] = frozenset()
        self._is_built = False
        self._lock = threading.Lock()
        self._values = Values(self.tags)
        nothing = Filled(self.rows.empty(), self._values.freeze(), [], NONE, frozenset(), KnownCounts())
        self._view = View(self.ids, self.tags, nothing)

    def view(self) -> View:
        """The index as of the last changes that were taken."""
        return self._view

    def take(self, changes: Sequence[Change]) -> int:
        """Take changes; the next view has all of them. Returns how many were not older than what was known."""
        with self._lock:
            if not self._is_built:
                return sum(self._write(change) is not None for change in changes)
            return self._take(changes)

    def replace(self, wrong: Sequence[tuple[Rank | None, Change]]) -> int:
        """Take changes even if they are older than what is known, of products of which a certain rank is known.

        None stands for a product that is not known. A change whose version is below 0 makes it one. Only to repair what
        is wrong; call it after `build`. Returns the number of changes that were taken: not those of products of which
        another rank is known by now.
        """
        with self._lock:
            changes = []
            for found, change in wrong:
                number = self.ids.find(change.product_id)
                rank = None if number is None else self.rows.rank(number)
                if (None if rank is None or rank[0] < 0 else rank) != found:
                    continue
                if number is not None:
                    self.rows.write(number, _BELOW_ALL, self.rows.slots(number))
                changes.append(change)
            self._take(changes)
        return len(changes)

    def build(self) -> None:
        """Make what was collected visible."""
        with self._lock:
            self._is_built = True
            self._build()

    @property
    def blocked(self) -> AbstractSet[str]:
        """The tags that are left out."""
        return self._blocked_tags

    def block(self, tags: AbstractSet[str]) -> None:
        """From now on these tags are not found, counted or shown, and no others are left out."""
        with self._lock:
            before, self._blocked_tags = self._blocked_tags, frozenset(tags)
            if not self._is_built or before == self._blocked_tags:
                return
            if before - self._blocked_tags:
                self._build()
            else:
                filled = self._view.filled
                postings = list(filled.postings)
                for number in self._blocked_numbers():
                    if number < len(postings):
                        postings[number] = Postings()
                self._show(postings, filled.products, filled.known)

    def _write(self, change: Change) -> tuple[int, list[int], list[int]] | None:
        """Note what a change says: the product's number, and its slots before and after. None: nothing new."""
        product_id, rank, payload = change
        number = self.ids.find(product_id)
        if number is not None and rank < self.rows.rank(number):
            return None
        try:
            new = self._slots(payload) if payload else []
        except ValueError:
            self.unreadable += 1
            return None
        if number is None:
            number = self.ids.add(product_id)
            self.rows.add()
        old = self.rows.slots(number)
        self.rows.write(number, rank, new)
        if self._is_built:
            self._values.write(number, new)
        return number, old, new

    def _take(self, changes: Sequence[Change]) -> int:
        before = self._view.filled
        drafts: dict[int, PostingsDraft] = {}
        products = sharing(before.products)
        known = before.known.changing()
        taken = 0
        for change in changes:
            written = self._write(change)
            if written is None:
                continue
            taken += 1
            number, old, new = written
            if change.payload:
                products.add(number)
            else:
                products.discard(number)
            if old != new:
                self._move(number, set(old) - set(new), set(new) - set(old), drafts, before)
                known.replace(_auto(old), _auto(new), len(self.tags))
        postings = [*before.postings, *(Postings() for _ in range(len(self.tags) - len(before.postings)))]
        for tag, draft in drafts.items():
            finished = draft.finish()
            if not finished.has_levels and finished.count(Band.REVIEW) > 2 * LEVELLED:
                finished = self._levelled(tag, finished)
            postings[tag] = finished
        self._show(postings, products, known.finish())
        return taken

    def _levelled(self, tag: int, postings: Postings) -> Postings:
        """The postings of a tag that has become common, with levels."""
        numbers = numbers_of(postings.within(Band.REVIEW))
        slots = self.rows.empty().gather(numbers)
        is_tag = tag_numbers(slots) == tag
        numbers, slots = numbers[np.nonzero(is_tag)[0]], slots[is_tag]
        builder = PostingsBuilder()
        builder.add(numbers, slots)
        builder.add_levels(numbers, slots)
        return builder.finish(tag + 1)[tag]

    def _move(
        self, number: int, gone: Iterable[int], come: Iterable[int], drafts: dict[int, PostingsDraft], before: Filled
    ) -> None:
        for slots, is_new in ((gone, False), (come, True)):
            for slot in slots:
                tag = tag_number_of(slot)
                if self.tags.tags[tag] in self._blocked_tags:
                    continue
                draft = drafts.get(tag)
                if draft is None:
                    found = before.postings[tag] if tag < len(before.postings) else Postings()
                    draft = drafts[tag] = PostingsDraft(found)
                if is_new:
                    draft.add(number, slot)
                else:
                    draft.discard(number, slot)

    def _build(self) -> None:
        builder = PostingsBuilder()
        for first in range(0, len(self.rows), _AT_ONCE):
            builder.add(*self.rows.numbered_slots(first, first + _AT_ONCE))
        for first in range(0, len(self.rows), _AT_ONCE):
            builder.add_levels(*self.rows.numbered_slots(first, first + _AT_ONCE))
        products = BitMap(copy_on_write=True)
        # Numbers whose product is deleted, or whose rank is below everything, are not in it.
        columns = self.rows.columns
        live = np.flatnonzero((columns["deleted"] == 0) & (columns["versions"] >= 0))
        products |= bitmap_of(live)
        self._values.fill(self.rows)
        self._show(builder.finish(len(self.tags), self._blocked_numbers()), products, KnownCounts())

    def _show(self, postings: list[Postings], products: BitMap, known: KnownCounts) -> None:
        blocked = frozenset(self._blocked_numbers())
        filled = Filled(self.rows.freeze(), self._values.freeze(), postings, products, blocked, known)
        self._view = View(self.ids, self.tags, filled)

    def _blocked_numbers(self) -> list[int]:
        return [number for tag in self._blocked_tags if (number := self.tags.find(tag)) is not None]

    def _slots(self, payload: bytes) -> list[int]:
        """The slots of a serialised `ProductTags`.

        Raises:
            ValueError: it is none, or has too many tags.
        """
        try:
            message = tags_pb2.ProductTags.FromString(payload)
        except (DecodeError, UnicodeDecodeError) as error:
            msg = "the value is not a serialised hangtag.v1.ProductTags"
            raise ValueError(msg) from error
        slots: dict[int, int] = {}
        number_of = self.tags.add
        for tags, review in ((message.tags, False), (message.review, True)):
            for tag in tags:
                number = number_of(f"{tag.facet}:{tag.value}")
                if number not in slots:
                    slots[number] = slot_of(number, tag.confidence, tag.source, is_review=review)
        if len(slots) > MAX_TAGS:
            msg = f"the product has {len(slots)} tags, the index holds at most {MAX_TAGS} of a product"
            raise ValueError(msg)
        return list(slots.values())


def _auto(slots: Iterable[int]) -> list[int]:
    return [tag_number_of(slot) for slot in slots if not is_review(slot)]

"""A product event on its way through the worker."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from hangtag.records import Event, Kind, Record
from hangtag.store import Arrival, Entry
from hangtag.tagger.release import Release
from hangtag.tags.vector import Vector
from hangtag.text.product_text import ProductText
from hangtag.text.tokens import Tokens
from hangtag.workers.tracker import Ticket
from hangtag.write import Reason


@dataclass(frozen=True, slots=True, eq=False)
class Item:
    """One event. `older` are events of the same product that it supersedes: they settle when it is settled.

    `tokens` are None until the text is encoded, and stay None for a deletion. `release` is what encoded the text, and
    tags it; `vector` is what it computed, if that is kept. `stored` are tags that it gave the same text before and the
    store has: with them no engine is needed.
    """

    ticket: Ticket
    record: Record
    event: Event
    arrived_s: float
    older: tuple["Item", ...] = ()
    tokens: Tokens | None = None
    release: Release | None = None
    stored: Entry | None = None
    vector: Vector | None = None

    @property
    def text_key(self) -> tuple[ProductText, str]:
        """The same for events that get the same tags from one bundle."""
        return self.event.text, self.event.language

    @property
    def needs_engine(self) -> bool:
        """True if its tags are not known."""
        return not self.is_deletion and self.stored is None

    @property
    def is_deletion(self) -> bool:
        """True if the product was deleted."""
        return self.event.kind is Kind.DELETED

    @property
    def arrival(self) -> Arrival:
        """The version that the event brings, for the product's mark in the store."""
        where = self.ticket
        return Arrival(self.event.product_id, self.event.version, where.partition.number, where.offset)

    @property
    def rank(self) -> tuple[int, bool]:
        """Larger is newer; the deletion of a version is newer than its tags, as in the store."""
        return self.event.version, self.is_deletion


@dataclass(frozen=True, slots=True, eq=False)
class Refused:
    """A record for the dead letters."""

    ticket: Ticket
    record: Record
    reason: Reason


def newer_of(first: Item, second: Item) -> Item:
    """The newer of two events of one product (the first of equals), with the other behind it.

    It counts as waiting since the earlier of the two arrived, so that a product that changes all the time gets a turn.
    """
    winner, loser = (second, first) if second.rank > first.rank else (first, second)
    older = (*winner.older, replace(loser, older=()), *loser.older)
    return replace(winner, older=older, arrived_s=min(first.arrived_s, second.arrived_s))


def collapse(items: Iterable[Item]) -> list[Item]:
    """One item per product: its newest version, with the others behind it."""
    by_product: dict[str, Item] = {}
    for item in items:
        known = by_product.get(item.event.product_id)
        by_product[item.event.product_id] = item if known is None else newer_of(known, item)
    return list(by_product.values())


def restore_older(item: Item) -> list[Item]:
    """What takes the place of a refused item: the newest of the events behind it, if there are any."""
    return collapse(item.older)

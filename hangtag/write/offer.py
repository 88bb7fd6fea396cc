"""Entries offered to the store, with people's decisions applied."""

from collections.abc import Sequence
from typing import NamedTuple

from hangtag.records import decode_tags
from hangtag.store import Entry, Outcome, TagStore
from hangtag.write.move import Move
from hangtag.write.update import Update


class Offered(NamedTuple):
    """The store's answer to an entry, and the entry as it was offered last. The outcome is never DECIDED."""

    outcome: Outcome
    entry: Entry


def offer(store: TagStore, offers: Sequence[tuple[Entry, Update | Move | None]]) -> list[Offered]:
    """Write entries; one answer per entry, in order.

    Where people have decided about a product since the writer looked, their decisions are applied to the update that
    the entry came from (to the entry itself, where there is none) and the entry is offered again. So nothing that a
    person decided is overwritten, without a lock.

    Raises:
        StoreError: the store did not answer; some entries may be written.
    """
    answers: list[Offered | None] = [None] * len(offers)
    entries = [entry for entry, _ in offers]
    waiting = list(range(len(offers)))
    while waiting:
        again = []
        for place, reply in zip(waiting, store.write([entries[place] for place in waiting]), strict=True):
            if reply.outcome is not Outcome.DECIDED:
                answers[place] = Offered(reply.outcome, entries[place])
                continue
            if reply.stored is not None:
                update = offers[place][1] or Update.of(entries[place])
                entries[place] = update.entry(decode_tags(reply.stored.payload).decisions, reply.stored.revision)
            again.append(place)
        waiting = again
    return [answer for answer in answers if answer is not None]

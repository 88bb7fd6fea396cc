"""What the index must say: the newest of each product as far as it has read, and nothing that is blocked."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from hangtag.index import Index, Query, View
from hangtag.index.content import content_in, content_of
from hangtag.server.index.follower import IndexFollower
from hangtag.store import Entry
from hangtag.tags.thresholds import Band
from hangtag.write import entry_of
from tests.simulation.brokers import TAGGED
from tests.simulation.model import SCHEMA

if TYPE_CHECKING:
    from tests.simulation.world import World


class IndexRules:
    """Looks into the index, and ends the simulation where it is wrong."""

    def __init__(self, world: World) -> None:
        self._world, self._hub = world, world.hub

    def check_start(self, process: IndexFollower) -> None:
        """It answers from now on: whatever is below its offsets is in it."""
        assert process.moment is not None
        read = {number: each.offset for number, each in process.moment.positions.items()}
        for product, entry in self._newest(read).items():
            found = content_in(process._index, product.encode())
            if found is None or found[0] < entry.rank:
                self._hub.fail(
                    f"invariant 2: the index has read {tuple(entry.rank)} of {product}, and knows "
                    f"{None if found is None else tuple(found[0])}"
                )

    def check_blocked(self, process: IndexFollower, blocked: Collection[str]) -> None:
        """Nothing that is blocked is found or shown."""
        if process.moment is None:
            return
        view = process.moment.view
        for tag in blocked:
            if view.hits(Query(all_of=(tag,), min_band=Band.REVIEW)):
                self._hub.fail(f"invariant 4: the index finds products by {tag}, which is blocked")
        shown = {scored.tag for number in view.products for scored in view.tags_of(number)}
        if wrong := shown & set(blocked):
            self._hub.fail(f"invariant 4: the index shows {sorted(wrong)}, which are blocked")

    def check_end(self, process: IndexFollower, blocked: Collection[str]) -> None:
        """Once all is read: it has the topic's last record of each product, finds it by its tags, and by no others."""
        assert process.moment is not None
        view = process.moment.view
        newest = self._newest(None)
        self._check_contents(process._index, newest)
        self.check_blocked(process, blocked)
        for tag in SCHEMA.tags:
            for band in (Band.AUTO, Band.REVIEW):
                found = _found(view, tag, band)
                expected = [] if tag in blocked else sorted(each for each in newest if _has(newest[each], tag, band))
                if found != expected:
                    self._hub.fail(f"invariant 2: by {tag} in {band} the index finds {found}, and {expected} have it")

    def _check_contents(self, index: Index, newest: dict[str, Entry]) -> None:
        for product, entry in newest.items():
            found = content_in(index, product.encode())
            if found is None or (found[0] != tuple(entry.rank) or found[1] != content_of(entry)):
                self._hub.fail(f"invariant 2: of {product} the index has {found}; the topic ends with {entry.rank}")
            if entry != self._world.rules.held(product):
                self._hub.fail(f"invariant 2: index and topic have {entry.rank} of {product}, and the store another")

    def _newest(self, until: dict[int, int] | None) -> dict[str, Entry]:
        """The newest of each product in the topic, below these offsets if there are any."""
        newest: dict[str, Entry] = {}
        for partition in self._world.brokers.partitions[TAGGED]:
            for record in self._world.brokers.logs[partition]:
                if until is None or record.offset < until.get(partition.number, 0):
                    entry = entry_of(record.key, record.value, record.headers)
                    known = newest.get(entry.product_id)
                    newest[entry.product_id] = entry if known is None or entry.rank >= known.rank else known
        return newest


def _found(view: View, tag: str, band: Band) -> list[str]:
    return sorted(view.ids(view.hits(Query(all_of=(tag,), min_band=band))))


def _has(entry: Entry, tag: str, band: Band) -> bool:
    found = {name: in_review for name, _, in_review in content_of(entry)} if entry.payload else {}
    return tag in found and (band is Band.REVIEW or not found[tag])

"""A dead letter as people see it: its place, its product and why it is one. Its value is not kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from hangtag.letters.place import Place
from hangtag.records import OWN_HEADERS, Record, Replay, product_id_of


@dataclass(frozen=True, slots=True)
class Letter:
    """One record of `products.deadletter`.

    `written_ms` is when it became a dead letter, `timestamp_ms` the record's timestamp when it was first sent, both in
    ms since 1970 (-1: not known). `own` are Hangtag's headers without their prefix. `replay` is None if the record was
    never sent again.
    """

    place: Place
    product_id: str
    written_ms: int
    timestamp_ms: int
    own: Mapping[str, str]
    replay: Replay | None

    @classmethod
    def of(cls, record: Record) -> Self:
        """The letter that a record of the topic is. Without a key, the product id is the one in its value."""
        own = {
            name.removeprefix(OWN_HEADERS): (text or b"").decode("utf-8", "replace")
            for name, text in record.headers
            if name.startswith(OWN_HEADERS)
        }
        key = record.key
        product_id = product_id_of(record.value, record.headers) if key is None else key.decode("utf-8", "replace")
        replay = Replay.of(record.headers)
        return cls(
            Place(record.partition.topic, record.partition.number, record.offset),
            product_id,
            record.timestamp_ms,
            _number(own.get("timestamp", "")) if replay is None else replay.timestamp_ms,
            own,
            replay,
        )

    @property
    def first_sent_ms(self) -> int:
        """When the record was sent at the latest: its sender's clock may have been ahead. -1: not known."""
        known = [each for each in (self.timestamp_ms, self.written_ms) if each >= 0]
        return min(known) if self.timestamp_ms >= 0 else -1

    @property
    def stage(self) -> str:
        """Where the record failed; empty: the record is not Hangtag's."""
        return self.own.get("stage", "")

    @property
    def error(self) -> str:
        """The kind of error."""
        return self.own.get("error", "")

    @property
    def message(self) -> str:
        """What is wrong and what to do."""
        return self.own.get("message", "")

    @property
    def is_truncated(self) -> bool:
        """Something was left out of the record."""
        return "truncated" in self.own


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() else -1

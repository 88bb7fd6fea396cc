"""A dead letter as people see it: its place, its product and why it is one. Its value is not kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from hangtag.letters.place import Place
from hangtag.records import OWN_HEADERS, Record, Replay, product_id_of


@dataclass(frozen=True, slots=True)
class Letter:
    """One record of `products.deadletter`.

    `written_ms` is when it became a dead letter, `first_sent_ms` when the record was first sent, both in ms since 1970
    (-1: not known). `own` are Hangtag's headers without their prefix. `replay` is None if it was never sent again.
    """

    place: Place
    product_id: str
    written_ms: int
    first_sent_ms: int
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
            _first_sent_ms(own.get("timestamp", ""), replay, record.timestamp_ms),
            own,
            replay,
        )

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


def _first_sent_ms(timestamp: str, replay: Replay | None, written_ms: int) -> int:
    """The earliest of the known times: a sender's clock may be ahead, and a record that was sent again is older."""
    if not timestamp.isascii() or not timestamp.isdecimal() or (replay is not None and replay.timestamp_ms < 0):
        return -1
    times = [int(timestamp)]
    if replay is not None:
        times.append(replay.timestamp_ms)
    if written_ms >= 0:
        times.append(written_ms)
    return min(times)

"""What an answer is made from: the index at one moment, and how up to date it is."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from hangtag.index import View
from hangtag.server.index.reader import Position
from hangtag.v1 import tags_pb2


@dataclass(frozen=True, slots=True)
class Moment:
    """A view, and how far the topic was read when it was made.

    Attributes:
        view: the index.
        positions: how far each partition was read, by its number.
        answered_at: when the brokers had last answered, in seconds since 1970.
    """

    view: View
    positions: Mapping[int, Position]
    answered_at: float

    @property
    def lag_records(self) -> int:
        """Records that were not read yet, as far as the brokers had told."""
        return sum(each.end - each.offset for each in self.positions.values())

    @property
    def as_of_ms(self) -> int:
        """All changes up to this time are in the view, in ms since 1970.

        It is when the brokers last answered, or where records wait, when the last one that was read was produced.
        """
        answered_ms = int(self.answered_at * 1_000)
        behind = [each.read_ms for each in self.positions.values() if each.end > each.offset]
        return min([answered_ms, *behind])

    @property
    def age_s(self) -> float:
        """Seconds since `as_of_ms`."""
        return max(0.0, time.time() - self.as_of_ms / 1_000)

    def state(self) -> tags_pb2.IndexState:
        """It as a reply has it."""
        state = tags_pb2.IndexState(lag_records=self.lag_records, products=len(self.view.products))
        state.as_of.FromMilliseconds(self.as_of_ms)
        state.offsets.extend(self.positions[number].offset for number in sorted(self.positions))
        return state

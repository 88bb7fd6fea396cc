"""Which dead letters are meant."""

from dataclasses import dataclass

from hangtag.letters.letter import Letter
from hangtag.letters.place import Place


@dataclass(frozen=True, slots=True)
class Selection:
    """Letters that fit everything that is given.

    `reason` is a part of the error or the message, in upper or lower case; `since_ms` (included) and `until_ms` (not
    included) limit when it became a dead letter. `places` names letters one by one.
    """

    stage: str | None = None
    reason: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    product_id: str | None = None
    places: frozenset[Place] = frozenset()

    @property
    def is_open(self) -> bool:
        """Whether nothing is given, so that every letter fits."""
        return self == Selection()

    def fits(self, letter: Letter) -> bool:
        """Whether the letter is meant."""
        return (
            (not self.places or letter.place in self.places)
            and self.stage in (None, letter.stage)
            and self.product_id in (None, letter.product_id)
            and (self.since_ms is None or letter.written_ms >= self.since_ms)
            and (self.until_ms is None or letter.written_ms < self.until_ms)
            and (self.reason is None or self._has_reason(letter, self.reason.casefold()))
        )

    @staticmethod
    def _has_reason(letter: Letter, words: str) -> bool:
        return words in letter.error.casefold() or words in letter.message.casefold()

"""Where a re-tag gets the texts from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from hangtag.store import Entry
from hangtag.tags.schema import TagSchema
from hangtag.tags.vector import Vector
from hangtag.text.product_text import ProductText


@dataclass(frozen=True, slots=True)
class SourceText:
    """The text of a product. `version` is the product version that it is of, None if the source does not say.

    `text_hash` is that of the cleaned text and its language. `tagged` holds the tags that the release gives it, where
    they were computed before. `vector` is what was computed for the text, if the source has it and the release can use
    it.
    """

    product_id: str
    version: int | None
    text: ProductText
    text_hash: bytes
    tagged: Entry | None = None
    vector: Vector | None = None


@dataclass(frozen=True, slots=True)
class ReleaseTags:
    """A release whose tags come with the texts: no engine runs here. The fields are those of `Release`."""

    bundle_version: str
    sequence: int
    blocked_sequence: int
    schema: TagSchema

    def gives_tags_of(self, sequence: int) -> bool:
        """See `Release`."""
        return self.blocked_sequence <= sequence <= self.sequence


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some texts, how many entries of the source could not be read beside them, and where to go on behind them.

    With `comes_again` the source has the texts of all these products once more, further on: what cannot be decided by a
    vector is left until then.
    """

    texts: Sequence[SourceText]
    unreadable: int
    positions: Mapping[int, int]
    comes_again: bool = False


class TextSource(Protocol):
    """Texts in their order. One thread calls it."""

    @property
    def total(self) -> int | None:
        """How many entries it has from where it began to its end; None: not known."""
        ...

    @property
    def done(self) -> int:
        """How many of them were returned."""
        ...

    def chunks(self) -> Iterator[Chunk]:
        """The texts up to the end that the source had when it was opened, or from where an earlier process stopped."""
        ...

    def commit(self, positions: Mapping[int, int]) -> None:
        """Everything before these positions is dealt with."""
        ...

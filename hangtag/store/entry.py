"""One product's tags, or its deletion, as they are stored, and what became of a write."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Self

from hangtag.text.limits import MAX_VERSION
from hangtag.text.text_hash import TEXT_HASH_BYTES

BUNDLE_PREFIX_BYTES = 8
NO_BUNDLE = bytes(BUNDLE_PREFIX_BYTES)
NO_TEXT = bytes(TEXT_HASH_BYTES)


class Outcome(StrEnum):
    """What became of an entry that was offered to the store. None of them is an error."""

    WRITTEN = "WRITTEN"
    """The store now holds the entry."""
    SAME = "SAME"
    """The store already held tags of the same version, bundle and decisions, perhaps from an earlier try of this
    write whose reply was lost. It keeps them."""
    OLDER = "OLDER"
    """The store holds something newer and keeps it."""
    GONE = "GONE"
    """The store does not hold tags of that version, and the write was one that replaces nothing else."""
    DECIDED = "DECIDED"
    """People have decided about the product since the writer looked. Nothing was written: apply the decisions of the
    entry in the reply and write again."""


class Rank(NamedTuple):
    """The one order of all writers: the larger rank is newer."""

    version: int
    is_deletion: bool
    sequence: int
    revision: int


@dataclass(frozen=True, slots=True)
class Entry:
    """The tags of one version of one product, or its deletion.

    Attributes:
        product_id: the shop's id.
        version: the product version; larger is newer.
        payload: the serialised `ProductTags`; empty for a deletion.
        bundle_prefix: the first 8 bytes of the version of the bundle that predicted the tags.
        sequence: the bundle's place in the order of releases; 0 if it was not promoted.
        revision: time of the last decision of a person about the product, in ms since 1970; 0 if there is none.
        text_hash: hash of the cleaned text and its language.

    Raises:
        ValueError: a number is outside 0..2^63-1, or a hash has another length.
    """

    product_id: str
    version: int
    payload: bytes
    bundle_prefix: bytes = NO_BUNDLE
    sequence: int = 0
    revision: int = 0
    text_hash: bytes = NO_TEXT

    def __post_init__(self) -> None:
        check_version(self.version)
        for name, number in (("bundle sequence", self.sequence), ("decision revision", self.revision)):
            if not 0 <= number <= MAX_VERSION:
                msg = f"{name} {number} is outside 0..{MAX_VERSION}"
                raise ValueError(msg)
        if len(self.bundle_prefix) != BUNDLE_PREFIX_BYTES or len(self.text_hash) != TEXT_HASH_BYTES:
            msg = (
                f"a bundle prefix of {len(self.bundle_prefix)} bytes and a text hash of {len(self.text_hash)}; "
                f"they have {BUNDLE_PREFIX_BYTES} and {TEXT_HASH_BYTES}"
            )
            raise ValueError(msg)

    @classmethod
    def deletion(cls, product_id: str, version: int) -> Self:
        """The deletion of a product."""
        return cls(product_id, version, b"")

    @property
    def is_deletion(self) -> bool:
        """True if the product was deleted."""
        return not self.payload

    @property
    def rank(self) -> Rank:
        """The entry's place in the order of all writers."""
        return Rank(self.version, self.is_deletion, self.sequence, self.revision)


class Reply(NamedTuple):
    """The store's answer to one entry; `stored` is what it holds, given with DECIDED only."""

    outcome: Outcome
    stored: Entry | None = None


def bundle_prefix(bundle_version: str) -> bytes:
    """The first 8 bytes of a bundle's version (hex).

    Raises:
        ValueError: it does not begin with 16 hex digits.
    """
    try:
        prefix = bytes.fromhex(bundle_version[: 2 * BUNDLE_PREFIX_BYTES])
    except ValueError:
        prefix = b""
    if len(prefix) != BUNDLE_PREFIX_BYTES:
        msg = f"bundle version {bundle_version[:16]!r} does not begin with 16 hex digits; give the bundle's hash"
        raise ValueError(msg)
    return prefix


def check_version(version: int) -> None:
    """Refuse a version that 8 bytes cannot hold in order.

    Raises:
        ValueError: the version is outside 0..2^63-1.
    """
    if not 0 <= version <= MAX_VERSION:
        msg = f"product version {version} is outside 0..{MAX_VERSION}; send a sequence number or milliseconds"
        raise ValueError(msg)

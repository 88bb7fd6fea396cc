"""What a worker writes, and what became of it."""

from dataclasses import dataclass
from enum import StrEnum

from hangtag.text.limits import MAX_VERSION


class Outcome(StrEnum):
    """What became of an entry. All three settle its record; none of them is an error."""

    WRITTEN = "WRITTEN"
    """It is now what the store holds."""
    OLDER = "OLDER"
    """The store holds something newer: a higher version, or the deletion of this version."""
    SAME = "SAME"
    """The store held it already, perhaps by an earlier try of this very write whose reply was lost."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The tags of one version of one product, or its deletion.

    `payload` is the serialised `ProductTags`; empty says that the product is deleted. `bundle_version` is hex (at least
    16 digits); a deletion may leave it empty.

    Raises:
        ValueError: the version is outside 0..2^63-1, or the bundle version is not hex.
    """

    product_id: str
    version: int
    bundle_version: str
    payload: bytes

    def __post_init__(self) -> None:
        check_version(self.version)
        prefix = self.bundle_version[:16]
        try:
            is_hash = len(bytes.fromhex(prefix)) == 8  # noqa: PLR2004 (16 digits)
        except ValueError:
            is_hash = False
        if not is_hash and (self.payload or self.bundle_version):
            msg = f"bundle version {prefix!r} is not at least 16 hex digits; give the bundle's content hash"
            raise ValueError(msg)

    @property
    def is_deletion(self) -> bool:
        """True if this says that the product is gone."""
        return not self.payload


def check_version(version: int) -> None:
    """Refuse what 8 bytes cannot hold in order.

    Raises:
        ValueError: the version is outside 0..2^63-1.
    """
    if not 0 <= version <= MAX_VERSION:
        msg = f"product version {version} is outside 0..{MAX_VERSION}; send a sequence number or milliseconds"
        raise ValueError(msg)

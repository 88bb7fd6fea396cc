"""What the store knows of one product."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stored:
    """Tags, or a deletion, or nothing; and the newest version that was polled lately.

    `payload` is the serialised `ProductTags`, empty if there are no tags. `version` is that of the tags or of the
    deletion; None: nothing is stored. `bundle_prefix` is the first 8 bytes of the hash of the bundle that tagged.
    `seen_version` is None once its time to live is over.
    """

    payload: bytes
    version: int | None
    bundle_prefix: bytes
    seen_version: int | None

    @property
    def is_deleted(self) -> bool:
        """True if the newest thing known is that the product is gone."""
        return self.version is not None and not self.payload

"""What a look-up reads of one product."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stored:
    """Tags, or a deletion, or nothing; and the newest version that was polled lately.

    `payload` is the serialised `ProductTags`, empty if there are no tags. `version` is that of the tags or of the
    deletion, None if nothing is stored. `seen_version` is None once its time to live is over.
    """

    payload: bytes
    version: int | None
    seen_version: int | None

    @property
    def is_deleted(self) -> bool:
        """True if the newest thing stored is that the product was deleted."""
        return self.version is not None and not self.payload

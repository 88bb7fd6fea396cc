"""What a look-up reads of one product."""

from typing import NamedTuple


class Seen(NamedTuple):
    """What is known of versions of a product that are newer than what is stored, or were when it was written.

    `version` is the newest that was received, `refused` the newest that became a dead letter (0: none; it is never
    newer than `version`). `partition` and `offset` are the place in `products.events` of the event of `version`, -1 if
    they are not known.
    """

    version: int
    refused: int = 0
    partition: int = -1
    offset: int = -1


class Stored(NamedTuple):
    """Tags, or a deletion, or nothing; and the newest version that was received.

    `payload` is the serialised `ProductTags`, empty if there are no tags. `version` is that of the tags or of the
    deletion, None if nothing is stored. `seen` is None if nothing newer was received, as far as the store knows.
    `sequence` is the place of the tags' bundle in the order of releases.
    """

    payload: bytes
    version: int | None
    seen: Seen | None
    sequence: int = 0

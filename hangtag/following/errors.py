"""Why a process does not use the bundle that it should use."""

from enum import StrEnum


class Why(StrEnum):
    """Why a bundle is refused, as the metric names it."""

    FETCH = "fetch"
    """The place for bundles cannot be read, or the bundle is missing or damaged there."""
    DISK = "disk"
    """It cannot be written to this machine."""
    DAMAGED = "damaged"
    """It is no bundle that this release can read, or not the one that the pointer names."""
    MEMORY = "memory"
    """It does not fit into the memory that there is."""
    ENGINE = "engine"
    """The engine cannot run it here."""
    TRIAL = "trial"
    """It fails on a harmless text, or gives its own reference texts other tags."""
    OTHER = "other"
    """An error that nobody has thought of."""


class FollowingError(Exception):
    """The base of this room's errors."""


class RefusedError(FollowingError):
    """A bundle cannot be used here; the message says what to do."""

    def __init__(self, why: Why, message: str) -> None:
        super().__init__(message)
        self.why = why


class NotJoinedError(FollowingError):
    """A worker with a bundle of its own may not join the group; the message says what to do."""

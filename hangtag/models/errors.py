"""What can go wrong with models in production; each message says what to do."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hangtag.models.pointer import Pointer


class ModelsError(Exception):
    """The base of this room's errors."""


class ModelsTopicError(ModelsError):
    """The decisions cannot be read or written. Trying again later may help."""


class LostRaceError(ModelsError):
    """Somebody else decided first, so this decision has no effect. `current` is what they decided."""

    def __init__(self, message: str, current: "Pointer | None") -> None:
        super().__init__(message)
        self.current = current


class ShelfError(ModelsError):
    """The place for bundles does not answer, or a bundle in it is missing or damaged. Nothing is left half done."""


class LocalModelsError(ModelsError):
    """The folder for fetched bundles cannot be used, such as a full disk. Nothing is left half done."""

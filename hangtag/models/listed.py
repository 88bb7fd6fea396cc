"""What the place for bundles says about one of them: its files, and where it comes from."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from hangtag.bundle.manifest import FileName, Sha256


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)  # what a later release adds is ignored


class ShelfFile(_Frozen):
    """One file of a bundle. Bundles that share a file, such as the weights, name the same hash."""

    name: FileName
    sha256: Sha256
    bytes: int = Field(ge=0)


class Facts(_Frozen):
    """Who pushed a bundle, when and from what: what the manifest does not say.

    `pushed_by` is a pseudonym, `pushed_ms` is in ms since 1970, `note` says why.
    """

    pushed_by: str
    pushed_ms: int
    note: str = ""


class Listed(_Frozen):
    """A bundle in the place for bundles; the last file that a push writes.

    `manifest` has what the bundle's manifest says about its making: name, created, base_model, data_fingerprint,
    recipe and metrics. `blocked` are the tags that its own schema blocks.
    """

    format: Literal[1] = 1
    version: Sha256
    integrity: Sha256
    files: tuple[ShelfFile, ...]
    manifest: dict[str, Any]
    blocked: tuple[str, ...] = ()
    facts: Facts

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.bytes for file in self.files)

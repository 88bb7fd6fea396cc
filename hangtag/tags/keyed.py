"""Values that depend on the kind of text and on the path that computed its scores."""

from collections.abc import Callable
from enum import StrEnum
from typing import Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, RootModel, model_validator

from hangtag.text.kind import TextKind

Entry = TypeVar("Entry", bound=BaseModel)


class ScoringPath(StrEnum):
    """Which parts of the model computed a text's scores."""

    FULL = "full"  # the encoder and, where the bundle has one, the wide part
    ENCODER_SKIPPED = "encoder_skipped"  # the wide part alone


class UnsupportedPathError(LookupError):
    """The bundle has no entry for this scoring path."""


class Keyed(RootModel[dict[TextKind, dict[ScoringPath, Entry]]], Generic[Entry]):
    """One entry per kind of text and scoring path; product texts on the full path always have one.

    JSON: `{"product": {"full": {...}}, "query": {"full": {...}}}`.
    """

    model_config = ConfigDict(frozen=True)

    @classmethod
    def of_products(cls, entry: Entry) -> Self:
        """The entry for product texts on the full path, which is then used for every kind of text."""
        return cls(root={TextKind.PRODUCT: {ScoringPath.FULL: entry}})

    @model_validator(mode="after")
    def _has_products(self) -> Self:
        if ScoringPath.FULL not in self.root.get(TextKind.PRODUCT, {}):
            msg = f"there is no entry for kind {TextKind.PRODUCT.value!r} and path {ScoringPath.FULL.value!r}"
            raise ValueError(msg)
        return self

    @property
    def keys(self) -> list[tuple[TextKind, ScoringPath]]:
        """Every kind and path that has an entry of its own, sorted."""
        return sorted((kind, path) for kind, by_path in self.root.items() for path in by_path)

    def entry(self, kind: TextKind, path: ScoringPath = ScoringPath.FULL) -> Entry:
        """The entry of this kind and path; without one, the entry of product texts on the same path.

        Raises:
            UnsupportedPathError: there is neither.
        """
        for candidate in (kind, TextKind.PRODUCT):
            found = self.root.get(candidate, {}).get(path)
            if found is not None:
                return found
        msg = f"the bundle does not support the path {path.value!r}: it has no entry for it"
        raise UnsupportedPathError(msg)

    def map(self, change: Callable[[Entry], Entry]) -> Self:
        """The same keys with changed entries."""
        changed = {
            kind: {path: change(entry) for path, entry in by_path.items()} for kind, by_path in self.root.items()
        }
        return type(self)(root=changed)

"""A record of `products.tagged` as its readers in the server need it."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, Self

from hangtag.records import Record
from hangtag.write import entry_of

_VERSION = "hangtag.version"


class Change(NamedTuple):
    """A version of a product was tagged, for the first time or again, or was deleted."""

    product_id: str
    version: int
    record: Record

    @property
    def payload(self) -> bytes:
        """The serialised `ProductTags`; empty for a deletion."""
        return self.record.value or b""

    @classmethod
    def of(cls, record: Record) -> Self:
        """The change in a record. Its value is only parsed where the header with the version is missing.

        Raises:
            ValueError: Hangtag did not write the record.
        """
        version = next((value for name, value in record.headers if name == _VERSION), None)
        if record.key and version is not None:
            return cls(record.key.decode(), int(version), record)
        entry = entry_of(record.key, record.value, record.headers)
        return cls(entry.product_id, entry.version, record)


class ChangeListener(Protocol):
    """Whoever keeps something that follows from `products.tagged`. The follower's thread calls."""

    def take(self, changes: Sequence[Change]) -> None:
        """These changes were read, each partition in its order. An older version may follow a newer one."""
        ...

    def missed(self) -> None:
        """Changes may have been missed: reading begins, or begins again, at the end."""
        ...

"""Where tags and dead letters go."""

from dataclasses import dataclass
from typing import Protocol

from hangtag.records import Record


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a record cannot be tagged. `error` is the class of the error, `attempts` how often it was tried."""

    stage: str
    error: str
    message: str
    attempts: int = 1


class RecordSink(Protocol):
    """Writes tags and dead letters. One thread calls all of it but `close`.

    `tagged` and `dead_letter` only take notes; `flush` delivers them, in order for each product. Between two flushes
    nothing is under way.
    """

    def tagged(self, product_id: str, value: bytes | None) -> None:
        """The product's serialised `ProductTags`; None is the tombstone of a deleted product."""
        ...

    def dead_letter(self, record: Record, reason: Reason, bundle_version: str) -> None:
        """A record that cannot be tagged, with its reason."""
        ...

    def retract_tags(self) -> None:
        """Forget what `tagged` noted and no broker has acknowledged."""
        ...

    def flush(self) -> None:
        """Return when everything noted is acknowledged by the broker. After an error the next call goes on.

        Raises:
            SinkError: something is not acknowledged; nothing is forgotten.
        """
        ...

    def close(self) -> None:
        """Give up what is not acknowledged."""
        ...


class SinkError(RuntimeError):
    """A broker did not acknowledge; the message says which and what to do."""

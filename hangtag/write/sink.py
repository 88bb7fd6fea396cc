"""Where tags and dead letters go."""

from dataclasses import dataclass
from typing import Protocol

from hangtag.records import KeptText, KeptVector, Record
from hangtag.store import Entry


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a record cannot be tagged. `error` is the class of the error, `attempts` how often it was tried.

    `message` is for the sender of the record and for logs: it never quotes a product's texts.
    """

    stage: str
    error: str
    message: str
    attempts: int = 1


class RecordSink(Protocol):
    """Produces tags and dead letters. One thread makes all calls but `close`.

    `tagged`, `text`, `vector` and `dead_letter` queue a record; `flush` delivers what is queued, in order for each
    product. Between two flushes nothing is in flight.
    """

    def tagged(self, entry: Entry) -> None:
        """Queue a product's tags, or the tombstone of a deleted product."""
        ...

    def text(self, kept: KeptText) -> None:
        """Queue a product's text, or the tombstone of a deleted product."""
        ...

    def vector(self, kept: KeptVector) -> None:
        """Queue a product's vector, or the tombstone of a deleted product."""
        ...

    def dead_letter(self, record: Record, reason: Reason, bundle_version: str) -> None:
        """Queue a record that cannot be tagged, with its reason."""
        ...

    def retract_tags(self) -> None:
        """Drop what `tagged`, `text` and `vector` queued and no broker has acknowledged."""
        ...

    def flush(self) -> None:
        """Return when the brokers have acknowledged everything that is queued. After an error the next call continues.

        Raises:
            SinkError: something is not acknowledged; it stays queued.
        """
        ...

    def close(self) -> None:
        """Give up what is not acknowledged."""
        ...


class SinkError(RuntimeError):
    """A broker did not acknowledge; the message names the topic and what to do."""

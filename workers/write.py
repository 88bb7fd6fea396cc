"""The `write` hop: tags go to the store and to Kafka, refused records to the dead letters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hangtag.store import Outcome, TagStore
from hangtag.tags.tagset import TagSet
from hangtag.text.text_hash import text_hash
from hangtag.workers.item import Item, Refused
from hangtag.workers.tracker import Ticket
from hangtag.write import RecordSink, Update, Writes

# How a record is settled whose dead letter is acknowledged.
DEAD_LETTER = "dead_letter"


@dataclass(frozen=True, slots=True)
class Settled:
    """A record whose result is stored, refused as older, or whose dead letter is acknowledged; `how` says which."""

    ticket: Ticket
    how: str


@dataclass(slots=True)
class WriteJob:
    """What one call of `write` does. A job that failed is run again and continues where it stopped.

    `store_identities` are those of the stores that held the results when the offsets of newly assigned partitions were
    committed.
    """

    bundle_version: str = ""
    tagged: Sequence[tuple[Item, TagSet]] = ()
    deleted: Sequence[Item] = ()
    refused: Sequence[Refused] = ()
    store_identities: Sequence[str] = ()
    writes: Writes | None = field(default=None, init=False)

    @property
    def items(self) -> list[Item]:
        """The items in the order of `writes`."""
        return [*(item for item, _ in self.tagged), *self.deleted]


def write(job: WriteJob, store: TagStore, sink: RecordSink, now_ms: int) -> list[Settled]:
    """Write everything and wait until it is acknowledged. Runs on the write thread; may be repeated after an error.

    Raises:
        StoreError: the store did not take everything.
        SinkError: the brokers did not acknowledge everything.
    """
    if job.store_identities:
        store.expect(job.store_identities)
    if job.writes is None:
        job.writes = Writes(list(_updates(job, now_ms)))
        for refused in job.refused:
            sink.dead_letter(refused.record, refused.reason, job.bundle_version)
    job.writes.run(store, sink)
    sink.flush()
    return list(_settled(job, job.writes.outcomes))


def _updates(job: WriteJob, now_ms: int) -> Iterator[Update]:
    for item, tags in job.tagged:
        event = item.event
        yield Update(
            product_id=event.product_id,
            version=event.version,
            tags=tags,
            bundle_version=job.bundle_version,
            text_hash=text_hash(event.text, event.language),
            tagged_at_ms=now_ms,
            schema=None if item.tagger is None else item.tagger.bundle.schema,
        )
    for item in job.deleted:
        yield Update(item.event.product_id, item.event.version, None)


def _settled(job: WriteJob, outcomes: Sequence[Outcome]) -> Iterator[Settled]:
    for item, outcome in zip(job.items, outcomes, strict=True):
        yield Settled(item.ticket, "deleted" if item.is_deletion else outcome.value.lower())
        for older in item.older:
            yield Settled(older.ticket, "superseded")
    for refused in job.refused:
        yield Settled(refused.ticket, DEAD_LETTER)

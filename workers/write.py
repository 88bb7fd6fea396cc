"""The fifth hop: tags go to the store and to Kafka, refused records to the dead letters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hangtag.records import encode_tags
from hangtag.store import Entry, Outcome, TagStore
from hangtag.tags.tagset import TagSet
from hangtag.workers.item import Item, Refused
from hangtag.workers.sink import RecordSink
from hangtag.workers.tracker import Ticket


@dataclass(frozen=True, slots=True)
class Settled:
    """A record whose result is stored, refused as older, or whose dead letter is acknowledged; `how` names which."""

    ticket: Ticket
    how: str


@dataclass(slots=True)
class Job:
    """What one write has to do, and how far it came: a write that failed is tried again where it stopped."""

    bundle_version: str
    tagged: list[tuple[Item, TagSet]] = field(default_factory=list)
    deleted: list[Item] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    entries: list[Entry] | None = None
    settled: list[Settled] | None = None


def write(job: Job, store: TagStore, sink: RecordSink, now_ms: int) -> list[Settled]:
    """Store, then produce, then wait for the brokers. Runs on the write lane; safe to repeat after an error.

    Each try asks the store anew and produces what the store holds now: an earlier one may have ended between the store
    and the brokers, and another worker may have stored something newer since. What has become older is not produced.

    Raises:
        StoreError: the store did not take everything.
        SinkError: the brokers did not acknowledge everything.
    """
    if job.entries is None:
        job.entries = list(_entries(job, now_ms))
    outcomes = store.write(job.entries)
    same = [entry.product_id for entry, outcome in zip(job.entries, outcomes, strict=True) if outcome is Outcome.SAME]
    held = dict(zip(same, store.payloads(same), strict=True))
    sink.retract_tags()
    for entry, outcome in zip(job.entries, outcomes, strict=True):
        if outcome is not Outcome.OLDER:
            payload = held.get(entry.product_id)
            sink.tagged(entry.product_id, (entry.payload if payload is None else payload) or None)
    if job.settled is None:
        job.settled = list(_settle(job, outcomes))
        for refused in job.refused:
            sink.dead_letter(refused.record, refused.reason, job.bundle_version)
    sink.flush()
    return job.settled


def _settle(job: Job, outcomes: Sequence[Outcome]) -> Iterator[Settled]:
    items = [item for item, _ in job.tagged] + job.deleted
    for item, outcome in zip(items, outcomes, strict=True):
        yield Settled(item.ticket, "deleted" if item.is_deletion else outcome.value.lower())
        for older in item.older:
            yield Settled(older.ticket, "superseded")
    for refused in job.refused:
        yield Settled(refused.ticket, "dead_letter")


def _entries(job: Job, now_ms: int) -> Iterator[Entry]:
    for item, tags in job.tagged:
        event = item.event
        payload = encode_tags(event.product_id, event.version, tags, job.bundle_version, now_ms)
        yield Entry(event.product_id, event.version, job.bundle_version, payload)
    for item in job.deleted:
        yield Entry(item.event.product_id, item.event.version, "", b"")

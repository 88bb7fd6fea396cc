"""The `write` hop: tags go to the store and to Kafka, refused records to the dead letters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hangtag.records import Event, KeptText, KeptVector, encode_text
from hangtag.store import Arrival, Outcome, StoredText, TagStore, TextStore
from hangtag.tags.tagset import TagSet
from hangtag.telemetry import metrics
from hangtag.text.text_hash import text_hash
from hangtag.workers.arrival import arrival_of
from hangtag.workers.item import Item, Refused
from hangtag.workers.tracker import Ticket
from hangtag.workers.unreadable import READ
from hangtag.write import Move, RecordSink, Update, Writes

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

    `bundle_version` is for the dead letters. `known` are items that need no engine: deletions, and those with stored
    tags. `store_identities` are those of the stores that held the results when the offsets of newly assigned partitions
    were committed. With `keeps_texts` the texts are produced too, with `keeps_vectors` the
    vectors of items that have one. `took_s` is how long the call took that succeeded.
    """

    bundle_version: str = ""
    tagged: Sequence[tuple[Item, TagSet]] = ()
    known: Sequence[Item] = ()
    refused: Sequence[Refused] = ()
    store_identities: Sequence[str] = ()
    keeps_texts: bool = False
    keeps_vectors: bool = False
    writes: Writes | None = field(default=None, init=False)
    took_s: float = field(default=0.0, init=False)

    @property
    def items(self) -> list[Item]:
        """The items in the order of `writes`."""
        return [*(item for item, _ in self.tagged), *self.known]


def write(
    job: WriteJob,
    store: TagStore,
    sink: RecordSink,
    now_ms: int,
    max_record_bytes: int,
    texts: TextStore | None = None,
) -> list[Settled]:
    """Write everything and wait until it is acknowledged. Runs on the write thread; may be repeated after an error.

    Once dead letters are acknowledged, their products are marked, so that nobody waits for tags of these versions. With
    `texts` the texts are kept in the store too.

    Raises:
        StoreError: the store did not take everything.
        SinkError: the brokers did not acknowledge everything.
    """
    if job.store_identities:
        store.expect(job.store_identities)
    if job.writes is None:
        job.writes = Writes(list(_updates(job, now_ms)))
        for each in job.refused:
            sink.dead_letter(each.record, each.reason, job.bundle_version)
    job.writes.run(store, sink)
    sink.flush()
    if texts is not None:
        texts.write(list(_texts(job.items, job.writes.outcomes)))
    if refused := list(_refused_arrivals(job, max_record_bytes)):
        store.mark_refused(refused)
    return list(_settled(job, job.writes.outcomes))


def _updates(job: WriteJob, now_ms: int) -> Iterator[Update | Move]:
    for item, tags in job.tagged:
        event = item.event
        assert item.release is not None
        hashed = text_hash(event.text, event.language)
        yield Update(
            product_id=event.product_id,
            version=event.version,
            tags=tags,
            bundle_version=item.release.bundle_version,
            sequence=item.release.sequence,
            text_hash=hashed,
            tagged_at_ms=now_ms,
            schema=item.release.tagger.bundle.schema,
            kept=_kept(event, hashed) if job.keeps_texts else None,
            vector=_vector(item, hashed) if job.keeps_vectors else None,
        )
    for item in job.known:
        event = item.event
        if item.stored is None:
            kept = KeptText.deletion(event.product_id, event.version) if job.keeps_texts else None
            vector = KeptVector.deletion(event.product_id, event.version) if job.keeps_vectors else None
            yield Update(event.product_id, event.version, None, kept=kept, vector=vector)
        else:
            assert item.release is not None
            kept = _kept(event, item.stored.text_hash) if job.keeps_texts else None
            schema = item.release.tagger.bundle.schema
            yield Move(item.stored, event.version, item.release.sequence, schema, kept)


def _texts(items: Sequence[Item], outcomes: Sequence[Outcome]) -> Iterator[StoredText]:
    for item, outcome in zip(items, outcomes, strict=True):
        event = item.event
        if outcome is Outcome.OLDER:
            continue
        if item.is_deletion:
            yield StoredText(event.product_id, event.version, b"")
        else:
            hashed = text_hash(event.text, event.language)
            yield StoredText(event.product_id, event.version, encode_text(_kept(event, hashed)))


def _kept(event: Event, hashed: bytes) -> KeptText:
    return KeptText(event.product_id, event.version, event.fields, event.language, event.shop, hashed)


def _vector(item: Item, hashed: bytes) -> KeptVector | None:
    event = item.event
    if item.vector is None:
        return None
    return KeptVector(event.product_id, event.version, event.text, hashed, item.vector)


def _refused_arrivals(job: WriteJob, max_record_bytes: int) -> Iterator[Arrival]:
    for refused in job.refused:
        # The bytes of a batch that cannot be read are no record.
        if refused.reason.stage != READ:
            found = arrival_of(refused.record, max_record_bytes)
            if found is not None:
                yield found


def _settled(job: WriteJob, outcomes: Sequence[Outcome]) -> Iterator[Settled]:
    for item, outcome in zip(job.items, outcomes, strict=True):
        if item.release is not None and outcome is Outcome.WRITTEN:
            release = item.release
            metrics.TAGGED_PRODUCTS.labels(release.bundle_version[:12], str(release.sequence)).inc()
        yield Settled(item.ticket, "deleted" if item.is_deletion else outcome.value.lower())
        for older in item.older:
            yield Settled(older.ticket, "superseded")
    for refused in job.refused:
        yield Settled(refused.ticket, DEAD_LETTER)

"""The `forward` hop: tokens become tags."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from hangtag.tagger.isolate import Failure, isolate
from hangtag.tagger.probe import probe
from hangtag.tagger.release import Release
from hangtag.tags.tagset import TagSet
from hangtag.tags.vector import Vector
from hangtag.telemetry import metrics
from hangtag.text.kind import TextKind
from hangtag.workers.failures import refuse
from hangtag.workers.item import Item, Refused, restore_older
from hangtag.workers.known import by_text


@dataclass(slots=True)
class Forwarded:
    """What became of a batch.

    `restored` are older events that take the place of refused items. With `ran_out_of_memory` the next batches must be
    smaller.
    """

    bundle_version: str
    tagged: list[tuple[Item, TagSet]] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    restored: list[Item] = field(default_factory=list)
    ran_out_of_memory: bool = False


def forward(items: Sequence[Item], release: Release, *, keeps_vectors: bool = False) -> Forwarded:
    """Run the engine over items that `release` encoded, each text once. Runs on a forward thread.

    With `keeps_vectors` the items that it returns have their vectors. A batch that fails, also for lack of memory, is
    halved until the failing item is alone. An item that fails alone is run once more, and is refused only if the engine
    then still tags a harmless text.

    Raises:
        FaultError: the engine fails for any text, or memory or the device do, even for a single text. That is no
            fault of a record: nothing may be settled.
    """
    result, tagger = Forwarded(release.bundle_version), release.tagger

    def tags_of(some: Sequence[Item]) -> list[tuple[TagSet, Vector | None]]:
        try:
            tokens = [item.tokens for item in some if item.tokens is not None]
            scores = tagger.forward(tokens, with_means=True) if keeps_vectors else tagger.forward(tokens)
            vectors = tagger.vectors.keep(scores) if keeps_vectors else [None] * len(tokens)
            return list(zip(tagger.decode(scores, [TextKind.PRODUCT] * len(scores)), vectors, strict=True))
        except MemoryError:
            result.ran_out_of_memory = True
            raise

    failed = []
    groups = by_text(items)
    metrics.REUSED_TAGS.labels("batch").inc(len(items) - len(groups))
    found = isolate(tags_of, [group[0] for group in groups], partial(probe, tagger))
    for item, its in ((item, each) for group, each in zip(groups, found, strict=True) for item in group):
        if isinstance(its, Failure):
            failed.append((item.ticket, item.record, its))
            result.restored += restore_older(item)
        else:
            tags, vector = its
            result.tagged.append((replace(item, vector=vector) if keeps_vectors else item, tags))
    result.refused = refuse("forward", failed)
    return result

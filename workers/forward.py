"""The `forward` hop: tokens become tags."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hangtag.engine.errors import OutOfMemory
from hangtag.tagger.isolate import Failure, isolate
from hangtag.tagger.probe import EngineDownError, probing
from hangtag.tagger.tagger import Tagger
from hangtag.tags.tagset import TagSet
from hangtag.text.kind import TextKind
from hangtag.workers.item import Item, Refused, restore_older
from hangtag.write import Reason

_TOO_LARGE = (OutOfMemory, MemoryError)


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


def forward(items: Sequence[Item], tagger: Tagger) -> Forwarded:
    """Run the engine over items that `tagger` encoded. Runs on the forward thread.

    A batch that fails is split until the failing item is alone; one that is too large for the device's memory is
    halved.

    Raises:
        Exception: whatever the engine raises for a harmless text too, or for lack of memory for a single one. That is
            a fault of the system and not of a record: nothing may be settled.
    """
    result = Forwarded(tagger.bundle.version)

    def tags_of(some: Sequence[Item]) -> list[TagSet]:
        try:
            logits = tagger.forward([item.tokens for item in some if item.tokens is not None])
            return tagger.decode(logits, [TextKind.PRODUCT] * len(logits))
        except _TOO_LARGE:
            result.ran_out_of_memory = True
            raise

    run = probing(tags_of, tagger, unless=_TOO_LARGE)
    for item, tags in zip(items, isolate(run, items, (EngineDownError,)), strict=True):
        if not isinstance(tags, Failure):
            result.tagged.append((item, tags))
            continue
        if isinstance(tags.error, _TOO_LARGE):
            raise tags.error
        reason = Reason("forward", type(tags.error).__name__, str(tags.error), tags.attempts)
        result.refused.append(Refused(item.ticket, item.record, reason))
        result.restored += restore_older(item)
    return result

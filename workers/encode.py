"""The `encode` hop: texts become tokens, in bulk."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from hangtag.tagger.isolate import Failure, isolate
from hangtag.tagger.probe import probe_tokenizer
from hangtag.tagger.release import Release
from hangtag.text.tokens import Tokens
from hangtag.workers.failures import refuse
from hangtag.workers.item import Item, Refused, restore_older
from hangtag.workers.known import by_text


@dataclass(frozen=True, slots=True)
class Encoded:
    """Items with tokens (without, where no engine is needed), and those that the tokenizer refused."""

    items: list[Item]
    refused: list[Refused]


def encode(items: Sequence[Item], release: Release) -> Encoded:
    """Tokenise all texts in one call, each once. Runs on an encode thread.

    Raises:
        FaultError: the tokenizer fails for any text, or memory or disk do; nothing may be settled.
    """
    done = [item for item in items if not item.needs_engine]
    todo = [item for item in items if item.needs_engine]
    refused: list[Refused] = []

    def tokens_of(some: Sequence[Item]) -> list[Tokens]:
        return release.tagger.encode([item.event.text for item in some])

    while todo:
        again: list[Item] = []
        failed = []
        groups = by_text(todo)
        found = isolate(tokens_of, [group[0] for group in groups], partial(probe_tokenizer, release.tagger))
        for item, tokens in ((item, each) for group, each in zip(groups, found, strict=True) for item in group):
            if isinstance(tokens, Failure):
                failed.append((item.ticket, item.record, tokens))
                again += restore_older(item)
            else:
                done.append(replace(item, tokens=tokens, release=release))
        refused += refuse("encode", failed)
        done += [item for item in again if not item.needs_engine]
        todo = [item for item in again if item.needs_engine]
    return Encoded(done, refused)

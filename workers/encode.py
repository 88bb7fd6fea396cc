"""The `encode` hop: texts become tokens, in bulk."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hangtag.tagger.isolate import Failure, isolate
from hangtag.tagger.tagger import Tagger
from hangtag.text.tokens import Tokens
from hangtag.workers.item import Item, Refused, restore_older
from hangtag.write import Reason


@dataclass(frozen=True, slots=True)
class Encoded:
    """Items with tokens (deletions without), and those that the tokenizer refused."""

    items: list[Item]
    refused: list[Refused]


def encode(items: Sequence[Item], tagger: Tagger) -> Encoded:
    """Tokenise all texts in one call. Runs on the encode thread."""
    done = [item for item in items if item.is_deletion]
    todo = [item for item in items if not item.is_deletion]
    refused: list[Refused] = []

    def tokens_of(some: Sequence[Item]) -> list[Tokens]:
        return tagger.encode([item.event.text for item in some])

    while todo:
        again: list[Item] = []
        for item, tokens in zip(todo, isolate(tokens_of, todo), strict=True):
            if isinstance(tokens, Failure):
                reason = Reason("encode", type(tokens.error).__name__, str(tokens.error), tokens.attempts)
                refused.append(Refused(item.ticket, item.record, reason))
                again += restore_older(item)
            else:
                done.append(replace(item, tokens=tokens, tagger=tagger))
        done += [item for item in again if item.is_deletion]
        todo = [item for item in again if not item.is_deletion]
    return Encoded(done, refused)

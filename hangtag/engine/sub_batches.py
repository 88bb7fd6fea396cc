"""Splitting a batch into groups of one padded length, the same way for every engine."""

from collections.abc import Sequence

import numpy as np

from hangtag.bundle import EncoderConfig
from hangtag.engine.errors import EngineError
from hangtag.text.tokens import TokenIds, Tokens


def sub_batches(lengths: Sequence[int], max_tokens: int, ways: int = 1) -> list[list[int]]:
    """Every index once, longest first, in groups of one length each and of at most `max_tokens` tokens.

    A text longer than that is a group of its own. `ways` is the number of groups that run at the same time: a batch
    that would fill fewer is split into smaller groups, so that all of them have work.
    """
    budget = min(max_tokens, -(-sum(lengths) // ways))
    groups: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        length = lengths[index]
        if not groups or lengths[groups[-1][0]] != length or (len(groups[-1]) + 1) * length > budget:
            groups.append([])
        groups[-1].append(index)
    return groups


def check_tokens(batch: Sequence[Tokens], encoder: EncoderConfig) -> None:
    """Refuse texts that the encoder has no embedding for.

    Raises:
        EngineError: a text is empty or too long, or has a token or segment that the encoder does not have.
    """
    for place, tokens in enumerate(batch):
        length = len(tokens)
        if not 0 < length <= encoder.positions or tokens.segments.shape != tokens.ids.shape:
            msg = f"text {place} of the batch has {length} tokens; the encoder takes 1 to {encoder.positions}"
            raise EngineError(msg)
    limits = ("token", "ids", encoder.vocab), ("segment", "segments", encoder.segments)
    for what, name, count in limits:
        # Nearly always all are in order, and one look at all of them is quicker than one at each.
        if not batch or _fits(np.concatenate([getattr(tokens, name) for tokens in batch]), count):
            continue
        place = next(place for place, tokens in enumerate(batch) if not _fits(getattr(tokens, name), count))
        msg = f"text {place} of the batch has {what} ids outside 0..{count - 1}; use the bundle's own tokenizer"
        raise EngineError(msg)


def _fits(ids: TokenIds, count: int) -> bool:
    return int(np.min(ids)) >= 0 and int(np.max(ids)) < count

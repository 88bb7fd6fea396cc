"""The scores of the wide part, which every engine adds to the encoder's logits."""

from collections.abc import Sequence

from hangtag.engine.engine import Logits
from hangtag.engine.errors import EngineError
from hangtag.text.tokens import Tokens
from hangtag.text.wide import Features, Wide


def wide_scores(batch: Sequence[Tokens], wide: Wide | None, tags: int) -> Logits | None:
    """What the model's wide part adds to logits of shape (count, tags); None if it has none.

    Raises:
        EngineError: a text has no n-grams: it was not tokenised with the bundle's own tokenizer.
    """
    return None if wide is None else wide.scores(known_features(batch), tags)


def known_features(batch: Sequence[Tokens]) -> list[Features]:
    """The n-grams of each text.

    Raises:
        EngineError: a text has none: it was not tokenised with the bundle's own tokenizer.
    """
    features = [tokens.features for tokens in batch]
    known = [each for each in features if each is not None]
    if len(known) < len(features):
        msg = f"text {features.index(None)} of the batch has no n-grams; use the bundle's own tokenizer"
        raise EngineError(msg)
    return known

"""The scores of the wide part, which every engine adds to the encoder's logits."""

from collections.abc import Sequence

from hangtag.engine.engine import Logits
from hangtag.engine.errors import EngineError
from hangtag.text.tokens import Tokens
from hangtag.text.wide import Features, Wide


def add_wide_scores(logits: Logits, batch: Sequence[Tokens], wide: Wide | None) -> Logits:
    """Add the scores of the model's wide part, if it has one, to logits of shape (count, tags).

    Raises:
        EngineError: a text has no n-grams: it was not tokenised with the bundle's own tokenizer.
    """
    if wide is None:
        return logits
    return logits + wide.scores(known_features(batch), logits.shape[1])


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

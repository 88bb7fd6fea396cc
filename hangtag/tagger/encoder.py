"""Texts to tokens, with everything that the decoder needs to know about the text itself."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hangtag.bundle import Bundle
from hangtag.tags.decoding import Decoder
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.text.tokens import ProductTokenizer, Tokens
from hangtag.text.understood import Understood
from hangtag.words import Reader


@dataclass(frozen=True, slots=True)
class Encoder:
    """Reads and tokenises, and finds the words that attributes need. Immutable; another process can be given a copy."""

    tokenizer: ProductTokenizer
    decoder: Decoder
    reader: Reader

    def __call__(self, texts: Sequence[ProductText], kinds: Sequence[TextKind] | None = None) -> list[Tokens]:
        """The tokens of each text, in order; `kinds` holds the kind of each text; without it, all are products."""
        kinds = kinds or [TextKind.PRODUCT] * len(texts)
        understood = list(map(self.reader.read, texts, kinds))
        return self._completed(understood, self.tokenizer([each.text for each in understood]), kinds)

    def located(self, texts: Sequence[ProductText], kinds: Sequence[TextKind]) -> list[Tokens]:
        """As a call, with the origins of the tokens."""
        understood = list(map(self.reader.read, texts, kinds))
        return self._completed(understood, self.tokenizer.located([each.text for each in understood]), kinds)

    def _completed(
        self, understood: Sequence[Understood], tokens: Sequence[Tokens], kinds: Sequence[TextKind]
    ) -> list[Tokens]:
        return [
            replace(
                its_tokens,
                features=its_tokens.features and its_tokens.features.scaled(self.decoder.wide_strength(kind)),
                named=self.decoder.named(each.text),
                understood=each,
            )
            for each, its_tokens, kind in zip(understood, tokens, kinds, strict=True)
        ]

    @classmethod
    def without_weights(cls, bundle: Bundle, decoder: Decoder) -> "Encoder":
        """One that is small enough to be copied to many processes: it knows n-grams, but not their weights."""
        wide = bundle.weights.wide
        if wide is not None:
            wide = replace(wide, gaps=np.zeros(0, np.uint8), values=np.zeros(0, np.int8))
        tokenizer = bundle.tokenizer.with_wide(wide)
        return cls(tokenizer, decoder, Reader(bundle.schema, bundle.thresholds, tokenizer, wide))

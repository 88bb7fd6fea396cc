"""Texts to tokens, with everything that the decoder needs to know about the text itself."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hangtag.bundle import Bundle
from hangtag.tags.decoding import Decoder
from hangtag.text.product_text import ProductText
from hangtag.text.tokens import ProductTokenizer, Tokens


@dataclass(frozen=True, slots=True)
class Encoder:
    """Tokenises, and finds the words that attributes need. Immutable; another process can be given a copy."""

    tokenizer: ProductTokenizer
    decoder: Decoder

    def __call__(self, texts: Sequence[ProductText]) -> list[Tokens]:
        """The tokens of each text, in order."""
        tokens = self.tokenizer(texts)
        named = map(self.decoder.named, texts)
        return [replace(each, named=tags) if tags else each for each, tags in zip(tokens, named, strict=True)]

    @classmethod
    def without_weights(cls, bundle: Bundle, decoder: Decoder) -> "Encoder":
        """One that is small enough to be copied to many processes: it knows n-grams, but not their weights."""
        wide = bundle.weights.wide
        if wide is not None:
            wide = replace(wide, gaps=np.zeros(0, np.uint8), values=np.zeros(0, np.int8))
        return cls(bundle.tokenizer.with_wide(wide), decoder)

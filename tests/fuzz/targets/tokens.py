"""Product texts as tokens, n-grams and named tags."""

import numpy as np

from hangtag.tags.naming import Naming
from hangtag.text.ngrams import ngram_hashes
from hangtag.text.product_text import ProductText
from hangtag.text.text_hash import TEXT_HASH_BYTES, text_hash
from tests.bundles import tiny_encoder, tiny_tokenizer
from tests.fuzz.contract import require
from tests.fuzz.targets import texts

_ENCODER = tiny_encoder()
_TOKENIZER = tiny_tokenizer()
_NAMING = Naming(
    {"color:red": ["red", "rot", "\u7ea2"], "color:navy": ["navy blue"], "color:blue": ["blue"]}, ["color"]
)

SEEDS = (*texts.SEEDS, b"navy-blue red\x00blue \xe7\xba\xa2\xe8\x89\xb2", b"a\x00b\x00c", b"x" * 300, b"1 " * 200)


def target(data: bytes) -> str:
    """Tokenise a title, a description and a category, separated by zero bytes."""
    title, description, category = ([*data.decode("utf-8", "replace").split("\x00"), "", ""])[:3]
    text = ProductText.of(title, description, category)
    (tokens,) = _TOKENIZER([text])
    require(2 <= len(tokens) <= _ENCODER.max_tokens, f"{len(tokens)} tokens")
    require(tokens.ids.min() >= 0 and tokens.ids.max() < _ENCODER.vocab, "a token id beyond the vocabulary")
    require(tokens.segments.max() < _ENCODER.segments, "a segment beyond the encoder's")
    whole, words, first, first_words = map(len, ngram_hashes(text))
    require(first <= whole and first_words <= words, "the first segment has more n-grams than the complete text")
    require(len(text_hash(text, "")) == TEXT_HASH_BYTES, "the length of the hash")
    named = _NAMING.named(text)
    return f"{len(named)} named, {int(np.log2(whole + 1))}"

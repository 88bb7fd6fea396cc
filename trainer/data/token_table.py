"""The tokens of many texts, in files that are read where they are needed."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import overload

import numpy as np

from hangtag.text.tokens import ProductTokenizer, Tokens
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.files.cache import Cache, key_of

# Raise it when cleaning or tokenising changes.
_FORMAT = 1
_AT_ONCE = 1_000


class TokenTable(Sequence[Tokens]):
    """Tokens in a folder: ids and segments of all texts one after the other, where each ends, and which are cut.

    The files are mapped into memory, so that only what is read takes memory.
    """

    def __init__(self, folder: Path) -> None:
        self._ends = _mapped(folder / "ends.i64", np.int64)
        self._is_cut = _mapped(folder / "is_cut.u8", np.uint8)
        self._ids = _mapped(folder / "ids.i32", np.int32)
        self._segments = _mapped(folder / "segments.u8", np.uint8)

    def __len__(self) -> int:
        return len(self._is_cut)

    @overload
    def __getitem__(self, place: int) -> Tokens: ...
    @overload
    def __getitem__(self, place: slice) -> list[Tokens]: ...
    def __getitem__(self, place: int | slice) -> Tokens | list[Tokens]:
        if isinstance(place, slice):
            return [self[at] for at in range(*place.indices(len(self)))]
        if not 0 <= place < len(self):
            msg = f"text {place} of {len(self)}"
            raise IndexError(msg)
        its = slice(int(self._ends[place - 1]) if place else 0, int(self._ends[place]))
        return Tokens(np.array(self._ids[its]), self._segments[its].astype(np.int32), is_cut=bool(self._is_cut[place]))


def tokens_of(
    products: Sequence[LabelledProduct], tokenizer: ProductTokenizer, cache: Cache | None
) -> Sequence[Tokens]:
    """The tokens of products' texts; from the cache, if it has them of the same texts by the same tokenizer."""
    if cache is None:
        return _tokenised(products, tokenizer)
    tokenizer_hash = sha256(tokenizer.to_json().encode()).hexdigest()
    key = key_of("tokens", _FORMAT, _hash_of(products), tokenizer_hash, tokenizer.max_tokens, tokenizer.tail_tokens)
    entry = cache.find(key) or cache.add(key, lambda folder: _write(folder, products, tokenizer))
    with suppress(FileNotFoundError):  # another process has just removed it
        if entry is not None:
            return TokenTable(entry)
    return _tokenised(products, tokenizer)


def _tokenised(products: Sequence[LabelledProduct], tokenizer: ProductTokenizer) -> list[Tokens]:
    return tokenizer([product.text for product in products])


def _hash_of(products: Iterable[LabelledProduct]) -> str:
    digest = sha256()
    for product in products:
        for text in (product.title, product.description, product.merchant_category):
            content = text.encode("utf-8", "surrogatepass")
            digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()


def _write(folder: Path, products: Sequence[LabelledProduct], tokenizer: ProductTokenizer) -> None:
    end = 0
    with (
        (folder / "ids.i32").open("wb") as ids,
        (folder / "segments.u8").open("wb") as segments,
        (folder / "ends.i64").open("wb") as ends,
        (folder / "is_cut.u8").open("wb") as is_cut,
    ):
        for start in range(0, len(products), _AT_ONCE):
            for tokens in _tokenised(products[start : start + _AT_ONCE], tokenizer):
                end += len(tokens)
                ids.write(tokens.ids.astype(np.int32).tobytes())
                segments.write(tokens.segments.astype(np.uint8).tobytes())
                ends.write(np.int64(end).tobytes())
                is_cut.write(bytes([tokens.is_cut]))


def _mapped(file: Path, dtype: type[np.generic]) -> np.ndarray:
    return np.memmap(file, dtype, "r") if file.stat().st_size else np.zeros(0, dtype)

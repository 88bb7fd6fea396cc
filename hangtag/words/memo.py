"""What was found out about words, kept for the next text that has them."""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")

# Some megabytes; a shop's queries have fewer words.
_MOST = 20_000
# Longer words are hardly ever the same.
_MOST_CHARS = 32


class Memo(Generic[T]):
    """Results of one function of many words. Threads may share it.

    The result for a word may depend on the word alone. At most 20,000 are kept; then all are forgotten.
    """

    def __init__(self) -> None:
        # Not the function: it would hold the owner that holds this, and with it a bundle until garbage is collected.
        self._kept: dict[str, T] = {}

    def __call__(self, words: Sequence[str], function: Callable[[Sequence[str]], Sequence[T]]) -> list[T]:
        """The result for each word; the function is called with those alone that it was not called with."""
        kept = self._kept
        new = list(dict.fromkeys(word for word in words if word not in kept))
        if not new:
            return [kept[word] for word in words]
        found = dict(zip(new, function(new), strict=True))
        result = [found[word] if word in found else kept[word] for word in words]
        if len(kept) + len(found) > _MOST:
            # A new one, because other threads may be reading the old one.
            kept = self._kept = {}
        kept.update((word, value) for word, value in found.items() if len(word) <= _MOST_CHARS)
        return result

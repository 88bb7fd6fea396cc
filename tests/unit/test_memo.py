"""What was found out about words is kept, and bounded."""

from collections.abc import Sequence

import pytest

from hangtag.words import memo
from hangtag.words.memo import Memo


class Lengths:
    """The number of characters of each word; remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, words: Sequence[str]) -> list[int]:
        self.asked.append(list(words))
        return list(map(len, words))


def test_a_word_is_looked_at_once() -> None:
    lengths = Lengths()
    known = Memo[int]()

    assert known(["red", "scarf", "red"], lengths) == [3, 5, 3]
    assert known(["scarf", "wool"], lengths) == [5, 4]
    assert known([], lengths) == []

    assert lengths.asked == [["red", "scarf"], ["wool"]]


def test_no_more_words_are_kept_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memo, "_MOST", 3)
    lengths = Lengths()
    known = Memo[int]()

    for number in range(10):
        assert known([f"a{number}", f"bb{number}"], lengths) == [2, 3]
        assert len(known._kept) <= 3


def test_long_words_are_not_kept() -> None:
    lengths = Lengths()
    known = Memo[int]()

    for _ in range(2):
        assert known(["x" * 1_000], lengths) == [1_000]

    assert len(lengths.asked) == 2

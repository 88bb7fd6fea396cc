"""The language model in little memory: the same languages as the library's, and asked only where words leave doubt."""

import sys
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from hangtag.words import language
from hangtag.words.automaton import SparseRows
from hangtag.words.language import LanguageDetector


@pytest.fixture(scope="module")
def library() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


@pytest.mark.parametrize(
    "text",
    [
        "rotes kleid für damen",
        "chaussures de course femme",
        "зимняя куртка",
        "連衣裙 red",
        "x",
        "\u0e40\u0e2a\u0e37\u0e49\u0e2d",
        "9 €",
    ],
)
def test_the_languages_are_those_of_the_library(library: LanguageIdentifier, text: str) -> None:
    ours = language._identifier(frozenset({"en"}))
    library.set_languages(sorted(set(ours.nb_classes)))

    assert ours.rank(text) == library.rank(text)


@given(st.integers(0, 2**32), st.permutations([0, 1, 2, 3, 4]))
def test_sparse_rows_are_the_table(seed: int, row_of: Sequence[int]) -> None:
    random = np.random.default_rng(seed)
    table = random.choice([0, 1, 2, 3, 4], (5, 256), p=random.dirichlet(np.full(5, 0.3)))

    sparse = SparseRows(table.ravel().tolist(), row_of)

    assert [sparse[place] for place in range(table.size)] == table.ravel().tolist()


def test_the_tables_take_little_memory() -> None:
    ours = language._identifier(frozenset({"en"}))

    tables = [getattr(ours.tk_nextmove, name) for name in ("_bytes", "_states", "_starts", "_usual")]
    assert sum(map(sys.getsizeof, tables)) < 6e6
    assert ours.nb_ptc.nbytes < 12e6
    assert ours._full_model[0] is ours.nb_ptc


def test_a_text_of_known_words_needs_no_language_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def known(words: Sequence[str]) -> list[bool]:
        return [word in {"kleid", "damen", "rot"} for word in words]

    detector = LanguageDetector(["en"], known)
    assert detector.unknown_language("das blaue kleid mit vielen taschen") == "de"
    monkeypatch.setattr(language, "_identifier", lambda _: pytest.fail("the model was asked"))

    assert detector.unknown_language("kleid damen rot") == ""
    assert detector.unknown_language("kleid 7 damen rot xyz") == ""

"""Which fields of a text were not read completely: named exactly, for every place where something may be cut."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hangtag.text.limits import MAX_CATEGORY_CHARS, MAX_DESCRIPTION_CHARS, MAX_TITLE_CHARS
from hangtag.text.product_text import CleanedFields, Field, LeftOut, ProductText
from hangtag.text.tokens import ProductTokenizer
from tests.bundles import tiny_tokenizer

TITLE, DESCRIPTION, CATEGORY = Field
TOKENS = 20
# One token each, so that a test can count them.
word = st.sampled_from(["red", "blue", "dress", "cat", "space"])


def tokenizer(tail_tokens: int) -> ProductTokenizer:
    return ProductTokenizer(tiny_tokenizer()._tokenizer, TOKENS, tail_tokens=tail_tokens)


FIRST, MIDDLE = tokenizer(0), tokenizer(4)


@pytest.mark.parametrize(
    ("field", "most"), [(TITLE, MAX_TITLE_CHARS), (DESCRIPTION, MAX_DESCRIPTION_CHARS), (CATEGORY, MAX_CATEGORY_CHARS)]
)
@pytest.mark.parametrize("letter", ["x", "\u00e9", "\ufb01"])
def test_a_field_is_cut_where_it_is_longer_than_the_limit_of_cleaning(field: Field, most: int, letter: str) -> None:
    as_cleaned = len(CleanedFields.of(letter).text.first)
    exact = letter * (most // as_cleaned)

    def cut(value: str) -> frozenset[Field]:
        return CleanedFields.of(*(value if each is field else "" for each in Field)).cut

    assert cut(f" <b>{exact}</b>\u200b ") == frozenset()
    assert cut(exact + letter) == {field}


def test_what_cleaning_removes_does_not_make_a_field_too_long() -> None:
    markup = f"<style>{'.price { color: red } ' * 2_000}</style>red" + "&nbsp; \n" * 5_000

    assert CleanedFields.of(markup, markup, markup).cut == frozenset()


def test_several_fields_may_be_cut() -> None:
    long = "x" * 9_000

    assert CleanedFields.of(long, "", long).cut == {TITLE, CATEGORY}
    assert CleanedFields.of("a", long, "b").not_read(LeftOut()) == {DESCRIPTION}


@given(st.lists(word, max_size=30), st.lists(word, max_size=30), st.lists(word, max_size=30))
@example(["red"] * 9, ["blue"] * 9, [])
@example(["red"] * 10, ["blue"] * 9, [])
@example(["red"] * 6, ["blue"] * 9, ["cat"] * 2)
def test_the_fields_that_the_encoder_does_not_read_completely_are_named(title, description, category) -> None:
    """Against a count of the words that have a token left: the field lacks one, or it does not."""
    fields = CleanedFields.of(" ".join(title), " ".join(description), " ".join(category))
    for each in (FIRST, MIDDLE):
        (tokens,) = each.located([fields.text])
        assert tokens.origins is not None
        not_read = fields.not_read(tokens.origins.left_out)

        assert tokens.is_cut == (_all_tokens(title, description, category) > TOKENS)
        assert not_read == {
            field for field, count in _lost(title, description, category, tail=each.tail_tokens).items() if count
        }


@given(
    st.lists(word, max_size=30),
    st.lists(st.sampled_from(["red", "dress!", "\u0301", "[MASK]", "x" * 200, "-"]), max_size=60),
)
@example(["red"] * 40, ["red"] * 60)
@example([], ["\u0301"] * 59 + ["red"])
@example(["red"] * 17, ["red"] * 60)
@example(["red"] * 18, ["red"] * 60)
def test_of_a_long_description_only_the_beginning_is_tokenised(title, description) -> None:
    """The tokens are those of the complete text, wherever it is cut."""
    text = ProductText(" ".join(title) or "a", " ".join(description))
    complete = tokenizer(0)
    complete._is_by_word = False

    for found, expected in zip((*FIRST([text]), *FIRST.located([text])), (*complete([text]),) * 2, strict=True):
        assert (found.ids.tolist(), found.segments.tolist()) == (expected.ids.tolist(), expected.segments.tolist())
        assert found.is_cut == expected.is_cut


def test_a_long_description_takes_no_longer_than_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(FIRST, "_encodings", partial(_recorded, FIRST._encodings, seen))

    FIRST([ProductText("red", "dress " * 500)])

    assert [text.count("dress") for text in seen] == [TOKENS + 1]


def _recorded(encodings: Callable[..., Any], seen: list[str], texts: Sequence[ProductText], encode: Any) -> Any:
    def encoded(pairs: list[tuple[str, str]]) -> Any:
        seen.extend(second for _, second in pairs)
        return encode(pairs)

    return encodings(texts, encoded)


def _all_tokens(title: list[str], description: list[str], category: list[str]) -> int:
    return len(title) + len(description) + len(category) + bool(title and category) + 2 + bool(description)


def _lost(title: list[str], description: list[str], category: list[str], tail: int) -> dict[Field, int]:
    """How many words of each field are left out, counted on a list of all tokens."""
    first = [*[TITLE] * len(title), *[None] * bool(title and category), *[CATEGORY] * len(category)]
    second: list[Field | None] = [DESCRIPTION] * len(description)
    kept_first, kept_second = len(first), len(second)
    if tail:
        everything = [None, *first, None, *second, *[None] * bool(second)]
        if len(everything) <= TOKENS:
            return {}
        lost = everything[TOKENS - tail : len(everything) - tail]
    else:
        room = TOKENS - 2 - bool(second)
        # The longer segment loses a token; of two that are as long as each other, the one that was shorter.
        while kept_first + kept_second > room:
            if (kept_first, len(second)) > (kept_second, len(first) - 1):
                kept_first -= 1
            else:
                kept_second -= 1
        lost = [*first[kept_first:], *second[kept_second:]]
    return {field: lost.count(field) for field in Field}

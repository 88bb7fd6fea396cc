"""Held-out products of a search: their duplicates, in whatever source, are not trained on."""

import random

import pytest

pytest.importorskip("datasketch", reason="datasketch is not installed (extra train)")

from hangtag.trainer.choosing.held_out import held_out
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.recipe.recipe import RecipeError

WORDS = [f"{first}{second}" for first in ("bra", "cle", "dro", "fli", "gru") for second in ("nda", "mpo", "st", "xel")]


def product(number: object, title: str) -> LabelledProduct:
    return LabelledProduct(str(number), title, "", "", frozenset({"color"}), frozenset({"color:red"}))


def texts(count: int, seed: int = 0) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=12)) for _ in range(count)]


def test_equal_ids_equal_texts_and_near_duplicates_stay_together():
    rows = []
    for number, title in enumerate(texts(200)):
        rows += [product(number, title), product(number, f"other {number}")]
        rows += [product(f"same-{number}", title.upper() + "!"), product(f"near-{number}", f"{title} x")]

    (kept,), out = held_out([rows], [True], 0.1, 7)

    assert len(out) == 80
    assert len(kept) == 720
    assert not {number_of(each) for each in out} & {number_of(each) for each in kept}


def number_of(each: LabelledProduct) -> str:
    return each.product_id.rpartition("-")[2]


def test_a_file_in_two_sources_is_held_out_in_both():
    rows = [product(number, title) for number, title in enumerate(texts(100))]
    more = [product(f"more-{number}", title) for number, title in enumerate(texts(50, seed=1))]

    kept, out = held_out([rows, [*rows, *more], rows], [True, True, False], 0.1, 7)

    ids = {each.product_id for each in out}
    assert [len(source) for source in kept] == [90, 135, 90]
    assert len(out) == 10 + 15, "products with pseudo-labels are not scored"
    assert not ids & {each.product_id for source in kept for each in source}


def test_the_same_seed_holds_out_the_same_products():
    rows = [product(number, title) for number, title in enumerate(texts(100))]

    first, again, other = (held_out([rows], [True], 0.1, seed) for seed in (7, 7, 8))

    assert first == again != other


def test_a_sentence_in_every_text_leaves_products_to_hold_out():
    sentence = "a shirt with a round neck and short sleeves, machine washable, for every day, article number"
    rows = [product(f"{number}-{copy}", f"{sentence} {number}") for number in range(100) for copy in (1, 2)]

    (kept,), out = held_out([rows], [True], 0.1, 7)

    assert len(out) == 20
    assert not {each.title for each in out} & {each.title for each in kept}


def test_if_all_groups_are_too_large_the_smallest_is_held_out_and_a_single_one_is_refused():
    rows = [product(f"{title}{copy}", title) for title, copies in (("cat", 9), ("dog", 5)) for copy in range(copies)]

    (kept,), out = held_out([rows], [True], 0.1, 7)

    assert ({each.title for each in kept}, {each.title for each in out}) == ({"cat"}, {"dog"})
    with pytest.raises(RecipeError, match="add products"):
        held_out([kept], [True], 0.1, 7)


def test_sources_with_pseudo_labels_alone_are_refused():
    rows = [product(number, title) for number, title in enumerate(texts(20))]

    with pytest.raises(RecipeError, match="all sources have pseudo_labels"):
        held_out([rows], [False], 0.1, 7)


def test_no_source_is_held_out_completely():
    same = [product(f"same-{number}", "a red dress") for number in range(10)]
    others = [product(number, title) for number, title in enumerate(texts(30))]

    with pytest.raises(RecipeError, match="all products of a source have the same id or text"):
        held_out([same, others], [True, False], 0.1, 7)
    kept, out = held_out([same, others], [True, True], 0.1, 7)

    assert [len(source) for source in kept] == [10, 27]
    assert len(out) == 3

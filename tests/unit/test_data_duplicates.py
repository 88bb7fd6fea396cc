"""Near duplicates: all pairs in ordinary data, and a bounded number if a sentence occurs in every text."""

import random

import pytest

pytest.importorskip("datasketch", reason="datasketch is not installed (extra train)")

from hypothesis import given, settings
from hypothesis import strategies as st

from hangtag.text.product_text import ProductText
from hangtag.trainer.data import near_pairs
from hangtag.trainer.data.duplicates import MAX_PAIRS, find_duplicates
from hangtag.trainer.data.shingles import jaccard

WORDS = [f"{first}{second}" for first in ("bra", "cle", "dro", "fli", "gru") for second in ("nda", "mpo", "st", "xel")]


def texts_of(titles) -> list[ProductText]:
    return [ProductText.of(title, "", "") for title in titles]


def variants(count: int, rng: random.Random) -> list[str]:
    """Texts, some of which are copies of others with a few changed words, so that all similarities occur."""
    texts = [" ".join(rng.choices(WORDS, k=12))]
    while len(texts) < count:
        words = rng.choice(texts).split(" ")
        for at in rng.sample(range(len(words)), rng.choice([1, 1, 2, 12])):
            words[at] = rng.choice(WORDS)
        texts.append(" ".join(words))
    return list(dict.fromkeys(texts))


def all_pairs(titles, threshold: float) -> dict[tuple[int, int], float]:
    """The reference: every pair, compared with plain sets of characters."""
    shingles = [{title[at : at + 5] for at in range(len(title) - 4)} for title in titles]
    alike = {
        (one, other): len(shingles[one] & shingles[other]) / len(shingles[one] | shingles[other])
        for other in range(len(titles))
        for one in range(other)
    }
    return {pair: similarity for pair, similarity in alike.items() if similarity >= threshold}


def groups_of(pairs, count: int) -> list[int]:
    group = list(range(count))
    for one, other in pairs:
        group = [group[one] if each == group[other] else each for each in group]
    return group


def same_groups(one: list[int], other: list[int]) -> bool:
    return len(set(one)) == len(set(other)) == len(set(zip(one, other, strict=True)))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 999), threshold=st.sampled_from([0.4, 0.7, 0.8, 0.9]), most=st.sampled_from([0, 2, 50]))
def test_pairs_are_found_up_to_the_limit_and_groups_are_complete(seed, threshold, most):
    titles = variants(120, random.Random(seed))
    expected = all_pairs(titles, threshold)

    found = find_duplicates(texts_of(titles), threshold, most=most)
    pairs = {(pair.first, pair.second): pair.similarity for pair in found.near}

    assert len(pairs) == len(found.near)
    assert all(expected[pair] == pytest.approx(similarity) for pair, similarity in pairs.items())
    assert same_groups(groups_of(pairs, len(titles)), groups_of(expected, len(titles)))
    per_text = [sum(other == at for _, other in expected) for at in range(len(titles))]
    listed = [sum(other == at for _, other in pairs) for at in range(len(titles))]
    assert all(min(every, most) <= found <= every for every, found in zip(per_text, listed, strict=True))
    if max(per_text) < most:
        assert pairs.keys() == expected.keys()
        assert found.full == 0


def test_the_cost_of_a_sentence_in_every_text_is_not_quadratic(monkeypatch):
    titles = [
        f"a cotton shirt with a round neck and short sleeves, machine washable, model {at}" for at in range(1_000)
    ]
    compared = 0

    def counted(*arguments):
        nonlocal compared
        compared += 1
        return jaccard(*arguments)

    monkeypatch.setattr(near_pairs, "jaccard", counted)

    found = find_duplicates(texts_of(titles), 0.8)
    joined = find_duplicates(texts_of(titles), 0.8, most=0)

    # Of half a million pairs.
    assert compared < 2 * MAX_PAIRS * len(titles)
    assert len(found.near) <= (MAX_PAIRS + 1) * len(titles)
    assert found.full >= len(titles) - 2 * MAX_PAIRS
    assert len(joined.near) == len(titles) - 1


def test_texts_that_share_only_a_part_are_not_pairs():
    rng = random.Random(0)
    sentence = "returns within thirty days and free delivery on all orders above fifty euros"
    titles = [f"{' '.join(rng.choices(WORDS, k=9))} {sentence}" for _ in range(300)]

    found = find_duplicates(texts_of(titles), 0.8)

    assert {(pair.first, pair.second) for pair in found.near} == set(all_pairs(titles, 0.8))


def test_all_steps_are_reported():
    reported = []
    find_duplicates(texts_of(variants(40, random.Random(0))), 0.8, lambda *step: reported.append(step))

    for stage in ("reading texts", "comparing texts"):
        steps = [(done, total) for name, done, total in reported if name == stage]
        assert [done for done, _ in steps] == list(range(steps[0][1]))

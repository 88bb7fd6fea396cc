"""A split keeps together what is alike, gives every part its share of every tag, and is the same for a seed."""

import random

import pytest

pytest.importorskip("datasketch", reason="datasketch is not installed (extra train)")

from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.data.duplicates import find_duplicates
from trainer.data.labelled import LabelledFileError, read_rows
from trainer.data.split import SplitSettings, split, write_split

WORDS = [f"{first}{second}" for first in ("bra", "cle", "dro", "fli", "gru") for second in ("nda", "mpo", "st", "xel")]


def rows_of(folder, count: int, seed: int, copies: float):
    """Made-up products: some of them near copies of another one, of 8 shops, with a rare tag."""
    import json

    rng = random.Random(seed)
    texts, lines = [], []
    for number in range(count):
        if texts and rng.random() < copies:
            text = rng.choice(texts) + rng.choice(["", "!", " x"])
        else:
            text = " ".join(rng.choices(WORDS, k=12))
        texts.append(text)
        tag = "color:rare" if number % 40 == 0 else rng.choice(["color:red", "color:blue", "color:green"])
        product = {"product_id": f"s{number % 8}-{number}", "title": text, "facets": ["color"], "tags": [tag]}
        lines.append(json.dumps(product | {"shop": f"shop {rng.randrange(8)}"}))
    path = folder / "all.jsonl"
    path.write_text("\n".join(lines))
    return read_rows([path])[0]


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 999), copies=st.sampled_from([0.0, 0.3, 0.7]), test=st.sampled_from([0.0, 0.2]))
def test_nothing_alike_stands_on_two_sides(tmp_path_factory, seed, copies, test):
    rows = rows_of(tmp_path_factory.mktemp("split"), 160, seed, copies)
    done = split(rows, SplitSettings(validation=0.2, test=test, seed=seed))
    part_of = {place: part for part, places in done.parts.items() for place in places}

    assert sorted(part_of) == list(range(len(rows)))
    # The oracle compares every pair, by another way than the split: plain sets of characters.
    shingles = [{row.product.title[at : at + 5] for at in range(len(row.product.title) - 4)} for row in rows]
    for one in range(len(rows)):
        for other in range(one):
            if len(shingles[one] & shingles[other]) >= 0.95 * len(shingles[one] | shingles[other]):
                assert part_of[one] == part_of[other]


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 999))
def test_shops_stand_on_one_side(tmp_path_factory, seed):
    rows = rows_of(tmp_path_factory.mktemp("split"), 120, seed, 0)

    by_field = split(rows, SplitSettings(validation=0.3, field="shop", seed=seed))
    by_prefix = split(rows, SplitSettings(validation=0.3, prefix="-", seed=seed))

    def sides(done, key) -> list[set[str]]:
        return [{key(rows[at]) for at in places} for places in done.parts.values()]

    assert not set.intersection(*sides(by_field, lambda row: row.others["shop"]))
    assert not set.intersection(*sides(by_prefix, lambda row: row.product.product_id.split("-")[0]))


def test_rare_tags_are_shared_out_and_a_seed_repeats(tmp_path):
    rows = rows_of(tmp_path, 400, 3, 0)
    done = split(rows, SplitSettings(validation=0.2, test=0.2))
    tags = done.report(rows)["tags"]

    assert tags["color:rare"] == {"train": 6, "validation": 2, "test": 2}
    for counts in tags.values():
        assert counts["validation"] == pytest.approx(0.2 * sum(counts.values()), abs=1.5)
    assert split(rows, SplitSettings(validation=0.2, test=0.2)).parts == done.parts
    assert split(rows, SplitSettings(validation=0.2, test=0.2, seed=8)).parts != done.parts


def test_written_parts_read_back_and_foreign_files_stay(tmp_path):
    rows = rows_of(tmp_path, 60, 0, 0.2)
    done = split(rows, SplitSettings())
    write_split(tmp_path / "out", rows, done, zipped=True)
    write_split(tmp_path / "out", rows, done, zipped=False)

    names = {path.name for path in (tmp_path / "out").iterdir()}
    back = [row for name in ("train", "validation") for row in read_rows([tmp_path / "out" / f"{name}.jsonl"])[0]]

    assert names == {"train.jsonl", "validation.jsonl", "split.json"}
    assert {row.product for row in back} == {row.product for row in rows}
    assert all("shop" in row.others for row in back)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "train.jsonl").write_text("kept")
    with pytest.raises(LabelledFileError, match="another folder"):
        write_split(tmp_path / "mine", rows, done, zipped=False)
    with pytest.raises(LabelledFileError, match="no row has a field"):
        split(rows, SplitSettings(field="store"))


def test_near_duplicates_are_found_with_their_similarity():
    from hangtag.product_text import ProductText

    texts = ["a warm red scarf of wool", "A WARM red scarf - of wool!", "a warm red scarf of wools", "something else"]
    found = find_duplicates([ProductText.of(text, "", "") for text in texts], 0.7)

    assert found.exact == ((0, 1),)
    assert [(pair.first, pair.second) for pair in found.near] == [(0, 2)]
    assert found.near[0].similarity == pytest.approx(20 / 21)

"""A split keeps duplicates together, gives every part its share of every tag, and depends only on the seed."""

import contextlib
import json
import random
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("datasketch", reason="datasketch is not installed (extra train)")

from hypothesis import given, settings
from hypothesis import strategies as st

from hangtag.trainer.data import split_files
from hangtag.trainer.data.duplicates import find_duplicates
from hangtag.trainer.data.labelled import LabelledFileError, read_rows
from hangtag.trainer.data.split import SplitSettings, split
from hangtag.trainer.data.split_files import write_split
from hangtag.trainer.data.stratify import stratified

WORDS = [f"{first}{second}" for first in ("bra", "cle", "dro", "fli", "gru") for second in ("nda", "mpo", "st", "xel")]


def rows_of(folder, count: int, seed: int, copies: float):
    """Made-up products of 8 shops; a share `copies` are near copies of another one, and one tag is rare."""
    rng = random.Random(seed)
    texts, lines = [], []
    for number in range(count):
        if texts and rng.random() < copies:
            text = rng.choice(texts)
            # Equal, nearly equal, or just similar enough: 0.8 to 0.9 with another last word.
            text = rng.choice([text, f"{text}!", f"{text} x", f"{text.rpartition(' ')[0]} {rng.choice(WORDS)}"])
        else:
            text = " ".join(rng.choices(WORDS, k=12))
        texts.append(text)
        tag = "color:rare" if number % 40 == 0 else rng.choice(["color:red", "color:blue", "color:green"])
        product = {"product_id": f"s{number % 8}-{number}", "title": text, "facets": ["color"], "tags": [tag]}
        lines.append(json.dumps(product | {"shop": f"shop {rng.randrange(8)}"}))
    path = folder / "all.jsonl"
    path.write_text("\n".join(lines))
    return read_rows([path]).good


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 999), copies=st.sampled_from([0.0, 0.3, 0.7]), test=st.sampled_from([0.0, 0.2]))
def test_near_duplicates_are_in_one_part(tmp_path_factory, seed, copies, test):
    rows = rows_of(tmp_path_factory.mktemp("split"), 160, seed, copies)
    done = split(rows, SplitSettings(validation=0.2, test=test, seed=seed))
    part_of = {place: part for part, places in done.parts.items() for place in places}

    assert sorted(part_of) == list(range(len(rows)))
    # The reference compares every pair, with plain sets of characters.
    titles = [row.product.title.rstrip("!") for row in rows]
    shingles = [{title[at : at + 5] for at in range(len(title) - 4)} for title in titles]
    for one in range(len(rows)):
        for other in range(one):
            if len(shingles[one] & shingles[other]) >= 0.8 * len(shingles[one] | shingles[other]):
                assert part_of[one] == part_of[other]


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 999))
def test_each_shop_is_in_one_part(tmp_path_factory, seed):
    rows = rows_of(tmp_path_factory.mktemp("split"), 120, seed, 0)

    by_field = split(rows, SplitSettings(validation=0.3, field="shop", seed=seed))
    by_prefix = split(rows, SplitSettings(validation=0.3, prefix="-", seed=seed))

    def keys_of_parts(done, key) -> list[set[str]]:
        return [{key(rows[at]) for at in places} for places in done.parts.values()]

    assert not set.intersection(*keys_of_parts(by_field, lambda row: row.others["shop"]))
    assert not set.intersection(*keys_of_parts(by_prefix, lambda row: row.product.product_id.split("-")[0]))


def test_rare_tags_are_in_every_part_and_a_seed_repeats_the_split(tmp_path):
    rows = rows_of(tmp_path, 400, 3, 0)
    done = split(rows, SplitSettings(validation=0.2, test=0.2))
    tags = done.report(rows)["tags"]

    assert tags["color:rare"] == {"train": 6, "validation": 2, "test": 2}
    for counts in tags.values():
        assert counts["validation"] == pytest.approx(0.2 * sum(counts.values()), abs=1.5)
    assert split(rows, SplitSettings(validation=0.2, test=0.2)).parts == done.parts
    assert split(rows, SplitSettings(validation=0.2, test=0.2, seed=8)).parts != done.parts


def test_written_parts_are_read_back_and_unrelated_files_stay(tmp_path):
    rows = rows_of(tmp_path, 60, 0, 0.2)
    done = split(rows, SplitSettings())
    write_split(tmp_path / "out", rows, done, zipped=True)
    write_split(tmp_path / "out", rows, done, zipped=False)

    names = {path.name for path in (tmp_path / "out").iterdir()}
    back = [row for name in ("train", "validation") for row in read_rows([tmp_path / "out" / f"{name}.jsonl"]).good]

    assert names == {"train.jsonl", "validation.jsonl", "split.json"}
    assert {row.product for row in back} == {row.product for row in rows}
    assert all("shop" in row.others for row in back)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "train.jsonl").write_text("kept")
    with pytest.raises(LabelledFileError, match="choose another --out"):
        write_split(tmp_path / "mine", rows, done, zipped=False)
    with pytest.raises(LabelledFileError, match="no row has a value in field 'store'"):
        split(rows, SplitSettings(field="store"))


@pytest.mark.parametrize("validation", [0.5, 0.6, 0.9])
def test_every_tag_is_in_the_training_part_however_small_it_is(tmp_path, validation):
    rows = rows_of(tmp_path, 80, 1, 0)
    tags = [frozenset({f"color:{number // 2}"}) for number in range(len(rows))]
    part_of = stratified([Counter(sorted(its)) for its in tags], [1] * len(tags), [1 - validation, validation], 7)

    assert {tag for part, its in zip(part_of, tags, strict=True) if part == 0 for tag in its} == set().union(*tags)
    report = split(rows, SplitSettings(validation=validation)).report(rows)
    assert report["missing"]["train"] == []


WRITES = ("open", "write_bytes", "write_text", "replace", "unlink", "touch", "mkdir")


class Killed(BaseException):
    pass


@pytest.mark.parametrize("last", range(14))
def test_after_a_kill_at_any_step_the_old_or_the_new_split_is_complete(tmp_path, monkeypatch, last):
    """From the step at which the process is killed, nothing is written to disk, not even by its clean-up."""
    rows = rows_of(tmp_path, 60, 0, 0.2)
    folder = tmp_path / "out"
    write_split(folder, rows, split(rows, SplitSettings(seed=1, test=0.2)), zipped=True)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = split(rows, SplitSettings(seed=2))
    write_split(tmp_path / "new", rows, done, zipped=False)
    new = {path.name: path.read_bytes() for path in (tmp_path / "new").iterdir()}
    steps = iter(range(1_000))
    for name in WRITES:
        real = getattr(Path, name)

        def step(path, *arguments, real=real, **options):
            if next(steps) >= last:
                raise Killed
            return real(path, *arguments, **options)

        monkeypatch.setattr(Path, name, step)

    with contextlib.suppress(Killed):
        write_split(folder, rows, done, zipped=False)
    monkeypatch.undo()
    left = {path.name: path.read_bytes() for path in folder.iterdir()}
    old_is_complete = all(left.get(name) == content for name, content in before.items())
    new_is_complete = all(content in (left.get(name), left.get(f"{name}.part")) for name, content in new.items())

    assert old_is_complete or new_is_complete
    write_split(folder, rows, done, zipped=False)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == new


def test_an_interrupted_split_leaves_only_the_earlier_one(tmp_path, monkeypatch):
    rows = rows_of(tmp_path, 60, 0, 0.2)
    folder = tmp_path / "out"
    write_split(folder, rows, split(rows, SplitSettings(seed=1, test=0.2)), zipped=False)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    real, lines = split_files._line, iter(range(1_000))

    def stop(row):
        if next(lines) >= 30:
            raise Killed
        return real(row)

    monkeypatch.setattr(split_files, "_line", stop)
    with pytest.raises(Killed):
        write_split(folder, rows, split(rows, SplitSettings(seed=2)), zipped=False)

    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("name", ["train.jsonl", "test.jsonl.gz", "split.json", "validation.jsonl.part"])
def test_inputs_are_never_replaced(tmp_path, name):
    rows = rows_of(tmp_path, 60, 0, 0)
    folder = tmp_path / "out"
    done = split(rows, SplitSettings())
    write_split(folder, rows, done, zipped=False)
    given = folder / name
    given.write_text("the shop's own")
    (tmp_path / "link").symlink_to(folder)

    for path in (given, tmp_path / "link" / name):
        with pytest.raises(LabelledFileError, match="choose another --out"):
            write_split(folder, rows, done, zipped=False, inputs=[tmp_path / "all.jsonl", path])

    assert given.read_text() == "the shop's own"


def test_a_folder_that_cannot_be_written_is_reported(tmp_path):
    rows = rows_of(tmp_path, 20, 0, 0)

    with pytest.raises(LabelledFileError, match="cannot be written"):
        write_split(tmp_path / "all.jsonl" / "out", rows, split(rows, SplitSettings()), zipped=False)


def test_near_duplicates_are_found_with_their_similarity():
    from hangtag.text.product_text import ProductText

    texts = ["a warm red scarf of wool", "A WARM red scarf - of wool!", "a warm red scarf of wools", "something else"]
    found = find_duplicates([ProductText.of(text, "", "") for text in texts], 0.7)

    assert list(found.exact) == [(0, 1)]
    assert [(pair.first, pair.second) for pair in found.near] == [(0, 2)]
    assert found.near[0].similarity == pytest.approx(20 / 21)


def test_a_part_without_products_is_refused(tmp_path):
    import json

    path = tmp_path / "all.jsonl"
    text = "a sentence that is in every listing of this shop, whatever the product is, number"
    product = {"facets": ["color"], "tags": ["color:red"]}
    path.write_text(
        "\n".join(json.dumps(product | {"product_id": str(at), "title": f"{text} {at}"}) for at in range(30))
    )

    with pytest.raises(LabelledFileError, match=r"no products are left for validation: 30 products form 1 groups"):
        split(read_rows([path]).good, SplitSettings(validation=0.2))


@pytest.mark.parametrize(
    ("kept_apart", "advice"), [({}, "raise --duplicates"), ({"field": "day"}, "choose a --disjoint")]
)
def test_the_advice_depends_on_what_made_the_groups_too_large(tmp_path, kept_apart, advice):
    rows = rows_of(tmp_path, 20, 1, 0.0)
    for row in rows:
        row.others["day"] = "monday"

    with pytest.raises(LabelledFileError, match=advice):
        split(rows, SplitSettings(validation=0.2, duplicates=0.8 if kept_apart else 0.01, **kept_apart))


def test_a_field_that_is_empty_in_every_row_is_reported(tmp_path):
    rows = rows_of(tmp_path, 20, 1, 0.0)
    for row in rows:
        row.others["day"] = ""

    with pytest.raises(LabelledFileError, match="'day' to keep apart; the field is empty in every row"):
        split(rows, SplitSettings(field="day"))


def test_the_cost_of_a_group_depends_only_on_its_own_tags():
    """Visiting all tags for every group would exceed the test's time limit."""
    rng = random.Random(1)
    tags = [frozenset(f"brand:{rng.randrange(16_000)}" for _ in range(2)) for _ in range(80_000)]

    part_of = stratified([Counter(sorted(its)) for its in tags], [1] * len(tags), [0.8, 0.2], 7)

    assert 0.79 < part_of.count(0) / len(tags) < 0.9


def test_numbers_that_json_lacks_become_null(tmp_path):
    rows = rows_of(tmp_path, 40, 3, 0)
    for row in rows:
        row.others.update({"price": float("nan"), "sizes": [1.5, float("inf"), {"x": float("-inf")}], "stock": 3.0})

    write_split(tmp_path / "parts", rows, split(rows, SplitSettings()), zipped=False)

    def refuse(name: str) -> None:
        pytest.fail(f"{name} is not JSON")

    for path in (tmp_path / "parts").iterdir():
        lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
        for line in lines:
            found = json.loads(line, parse_constant=refuse)
            if path.suffix == ".jsonl":
                assert (found["price"], found["sizes"], found["stock"]) == (None, [1.5, None, {"x": None}], 3.0)

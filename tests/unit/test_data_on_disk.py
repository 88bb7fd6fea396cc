"""Rows, keys and groups on disk give what lists in memory give, also where they are read a part at a time."""

import errno
import json
import random
from dataclasses import replace

import pytest

pytest.importorskip("cleanlab", reason="cleanlab is not installed (extra train)")
pytest.importorskip("torch", reason="torch is not installed (extra train)")

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hangtag.trainer.data import keys as keys_module
from hangtag.trainer.data import linked as linked_module
from hangtag.trainer.data import parts
from hangtag.trainer.data.check import CheckSettings, check
from hangtag.trainer.data.keys import Keys
from hangtag.trainer.data.labelled import LabelledFileError, LabelledProduct, LabelledRow, Reading, read_rows, refuse
from hangtag.trainer.data.linked import Linked
from hangtag.trainer.data.rows_on_disk import reading_on_disk
from hangtag.trainer.data.split import SplitSettings, split
from hangtag.trainer.files import disk_array, disk_list, temporary
from hangtag.trainer.files.disk_array import DiskArray, RaggedDiskArray
from hangtag.trainer.files.disk_list import DiskList, sorted_on_disk
from hangtag.trainer.files.temporary import TemporarySpaceError
from hangtag.trainer.judging import label_noise
from hangtag.trainer.judging.label_noise import find_label_noise
from tests.bundles import tiny_tokenizer


def file_of(folder, count: int, seed: int = 0):
    """Products with equal and similar texts, repeated ids and ids that differ in case, several tags and bad rows."""
    rng = random.Random(seed)
    words = ["scarf", "wool", "red", "blue", "warm", "long", "cat", "dress", "space", "game", "cotton", "shirt"]
    texts, lines = [], []
    for number in range(count):
        text = rng.choice(texts) if texts and rng.random() < 0.3 else " ".join(rng.choices(words, k=12))
        text += rng.choice(["", "", " x", "!"])
        texts.append(text)
        tags = [f"color:{rng.choice(['red', 'blue', 'Blue'])}"] + ["theme:cat"] * (number % 3 == 0)
        product_id = rng.choice([f"sku-{number}", f"SKU-{number // 2}", f"sku-{number // 2}"])
        product = {"product_id": product_id, "title": text, "facets": ["color", "theme"], "tags": tags}
        lines.append(json.dumps(product | {"shop": f"shop {number % 7}", "price": float("nan"), "\ud800": "\udc80"}))
        if number % 25 == 0:
            lines.append(rng.choice(["{", "", json.dumps({"product_id": "1"})]))
    path = folder / "shop.jsonl"
    path.write_text("\n".join(lines))
    return path


def few_at_a_time(monkeypatch) -> None:
    """Everything in many parts: sorted runs, key ranges, blocks of arrays and of lists."""
    monkeypatch.setattr(disk_list, "_SORTED_AT_ONCE", 7)
    monkeypatch.setattr(disk_list, "_BUFFER_BYTES", 100)
    monkeypatch.setattr(disk_list, "_BLOCK_BYTES", 64)
    monkeypatch.setattr(disk_array, "_BUFFER_ROWS", 5)
    for module in (disk_array, keys_module, linked_module):
        monkeypatch.setattr(module, "AT_ONCE", 16)


def test_a_check_finds_the_same_in_memory_on_disk_and_in_many_parts(tmp_path, monkeypatch):
    path = file_of(tmp_path, 150)
    expected = check(read_rows([path]), tiny_tokenizer()._tokenizer, CheckSettings(max_tokens=8)).to_json()
    assert all(expected[each] for each in ("bad_rows", "same_product_id", "product_ids_that_differ_in_case"))
    assert all(expected[each] for each in ("exact_duplicates", "near_duplicates", "conflicts", "look_alike_tags"))

    few_at_a_time(monkeypatch)
    reading = read_rows([path], reading=reading_on_disk())
    found = check(reading, tiny_tokenizer()._tokenizer, CheckSettings(max_tokens=8)).to_json()

    assert found == expected


def test_a_split_is_the_same_in_memory_on_disk_and_in_many_parts(tmp_path, monkeypatch):
    path = file_of(tmp_path, 150)
    chosen = SplitSettings(validation=0.3)
    rows = read_rows([path]).good
    expected = split(rows, chosen)

    few_at_a_time(monkeypatch)
    rows_on_disk = read_rows([path], reading=reading_on_disk()).good
    found = split(rows_on_disk, chosen)

    assert found.parts == expected.parts
    assert found.report(rows_on_disk) == expected.report(rows)


def test_rows_on_disk_equal_those_in_memory(tmp_path):
    path = file_of(tmp_path, 40)
    kept, on_disk = read_rows([path]), read_rows([path], reading=reading_on_disk())

    for one, other in ((kept.good, on_disk.good), (kept.bad, on_disk.bad)):
        assert len(one) == len(other)
        assert list(map(repr, one)) == list(map(repr, other))
        assert [repr(other[at]) for at in range(-len(one), len(one))] == list(map(repr, [*one, *one]))
        assert list(map(repr, other[3:1:-1])) == list(map(repr, one[3:1:-1]))
        with pytest.raises(IndexError):
            other[len(one)]


@settings(max_examples=50, deadline=None)
@given(numbers=st.lists(st.integers(-50, 50), max_size=60))
def test_sorting_on_disk_is_sorting(numbers):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk_list, "_SORTED_AT_ONCE", 8)
        pairs = list(zip(numbers, range(len(numbers)), strict=True))
        found = sorted_on_disk(pairs, lambda pair: abs(pair[0]), DiskList)

    assert list(found) == sorted(pairs, key=lambda pair: abs(pair[0]))


@settings(max_examples=50, deadline=None)
@given(texts=st.lists(st.sampled_from("abcdefg"), max_size=40), among=st.randoms())
def test_equal_keys_are_found_whatever_is_read_at_once(texts, among):
    keys = Keys()
    for text in texts:
        keys.append(text)
    chosen = np.array([among.random() < 0.7 for _ in texts], bool)
    with pytest.MonkeyPatch.context() as patch:
        for module in (disk_array, keys_module):
            patch.setattr(module, "AT_ONCE", 3)
        found = sorted(group.tolist() for group in keys.equal(chosen))

    groups = [[at for at, text in enumerate(texts) if text == each and chosen[at]] for each in set(texts)]
    assert found == sorted(group for group in groups if len(group) > 1)


@settings(max_examples=50, deadline=None)
@given(links=st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=30))
def test_linked_places_share_the_group_that_their_first_place_names(links):
    linked, group_of = Linked(20), list(range(20))
    for one, other in links:
        linked.join(one, other)
        low, high = sorted((group_of[one], group_of[other]))
        group_of = [low if each == high else each for each in group_of]

    assert linked.groups(np.arange(20)).tolist() == [linked.group(at) for at in range(20)] == group_of
    assert linked.sizes().tolist() == [group_of.count(at) for at in range(20)]
    assert linked.members() == [[at for at in range(20) if group_of[at] == name] for name in sorted(set(group_of))]


def test_arrays_on_disk_are_read_by_row_and_in_blocks():
    table, ragged = DiskArray(np.int32, 2), RaggedDiskArray(np.uint32)
    for number in range(10):
        table.append((number, -number))
        ragged.append(np.arange(number, dtype=np.uint32))
    table.flush()
    ragged.flush()

    assert table.rows(np.array([7, 2])).tolist() == [[7, -7], [2, -2]]
    assert [block.tolist() for _, block in table.blocks()] == [[[at, -at] for at in range(10)]]
    assert [ragged[at].tolist() for at in range(len(ragged))] == [list(range(at)) for at in range(10)]


def test_a_full_disk_is_an_error_that_names_the_folder(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    rows = reading_on_disk().good
    monkeypatch.setattr(temporary.os, "pwrite", full)
    product = LabelledProduct("1", "a" * 100, "", "", frozenset(), frozenset())

    with pytest.raises(TemporarySpaceError, match="is full: set the environment variable TMPDIR"):
        rows.extend(LabelledRow(temporary.__file__, 1, product, {}) for _ in range(10_000))


def products_of(count: int, tags: int) -> list[LabelledProduct]:
    rng = random.Random(1)
    facets = frozenset({"color"})
    labels = [frozenset({f"color:{min(rng.randrange(tags), rng.randrange(tags))}"}) for _ in range(count)]
    return [LabelledProduct(str(at), f"thing number {at}", "", "", facets, labels[at]) for at in range(count)]


def test_in_a_large_file_rare_tags_are_stratified_and_groups_stay_together(tmp_path, monkeypatch):
    """Frequent tags get their shares by chance, rare ones exactly."""
    monkeypatch.setattr(parts, "ALL_STRATIFIED", 100)
    monkeypatch.setattr(parts, "FREQUENT", 50)
    products = products_of(3_000, 30)
    rows = [LabelledRow(tmp_path, at, replace(each, product_id=str(at // 2)), {}) for at, each in enumerate(products)]
    linked = Linked(len(rows))
    for at in range(0, len(rows), 2):
        linked.join(at, at + 1)

    part_of = parts.parts_of(rows, linked, [0.8, 0.2], 3)

    assert (part_of[::2] == part_of[1::2]).all()
    assert part_of.mean() == pytest.approx(0.2, abs=0.03)
    counts = {tag: [0, 0] for product in products for tag in product.tags}
    for product, part in zip(products, part_of, strict=True):
        for tag in product.tags:
            counts[tag][part] += 1
    rare = {tag: count for tag, count in counts.items() if sum(count) < 50}
    assert len(rare) > 3
    assert all(abs(count[1] - 0.2 * sum(count)) < 3 for count in rare.values()), rare
    assert (parts.parts_of(rows, linked, [0.8, 0.2], 3) == part_of).all()
    assert (parts.parts_of(rows, linked, [0.8, 0.2], 4) != part_of).any()


def test_noise_of_many_products_is_judged_in_parts(monkeypatch):
    """Each part finds its flipped labels; a tag that is too rare in every part is reported."""
    monkeypatch.setattr(label_noise, "AT_ONCE", 300)
    rng = random.Random(5)
    kinds = {tag: [f"{tag}{at}x" for at in range(30)] for tag in ("red", "blue", "green")}
    products, flipped = [], set()
    for number in range(800):
        kind = rng.choice(sorted(kinds))
        words = rng.choices(kinds[kind], k=4)
        if rng.random() < 0.1:
            flipped.add(number)
            kind = rng.choice(sorted(set(kinds) - {kind}))
        label = "odd" if number < 2 else kind
        products.append(
            LabelledProduct(str(number), " ".join(words), "", "", frozenset({"color"}), frozenset({f"color:{label}"}))
        )
    steps = []

    noise = find_label_noise(products, 3, lambda *step: steps.append(step))
    found = {each.place for each in noise.suspicions}

    assert len(found & flipped) >= 0.7 * len(flipped)
    assert len(found & flipped) >= 0.7 * len(found)
    assert [each.score for each in noise.suspicions] == sorted(each.score for each in noise.suspicions)
    assert noise.checked == {"color": 798}
    assert list(noise.left_out) == ["color:odd"]
    assert steps[0][0] == "part 1 of 3: color"
    assert [done for _, done, _ in steps] == sorted(done for _, done, _ in steps)


def test_bad_rows_are_counted_without_keeping_them_all(tmp_path, monkeypatch):
    path = tmp_path / "shop.jsonl"
    path.write_text("{\n" * 30)
    monkeypatch.setattr("hangtag.trainer.data.labelled._MOST_DISTINCT", 5)
    monkeypatch.setattr("hangtag.trainer.data.labelled._MOST_BAD", 3)

    with pytest.raises(LabelledFileError, match=r"30 bad rows") as error:
        refuse(read_rows([path], reading=reading_on_disk()).bad)

    assert str(error.value).endswith("and 27 more")
    assert isinstance(Reading().bad, list)

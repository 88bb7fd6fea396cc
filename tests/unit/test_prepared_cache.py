"""What training read and tokenised is kept by content: taken again only where it is complete and nothing changed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra train)")

from hangtag.text.tokens import ProductTokenizer
from hangtag.trainer.data import kept_products as kept_module
from hangtag.trainer.data import token_table
from hangtag.trainer.data.kept_products import kept_products
from hangtag.trainer.data.labelled import LabelledProduct, read_labelled
from hangtag.trainer.data.token_table import tokens_of
from hangtag.trainer.files.cache import Cache, key_of
from hangtag.trainer.recipe.columns import Columns
from tests.bundles import tiny_tokenizer

ROOT = Path(__file__).resolve().parents[2]


def write_entry(folder: Path) -> None:
    (folder / "numbers").write_bytes(b"1" * 100)


def file_of(folder: Path, *titles: str) -> Path:
    lines = [
        {"product_id": str(at), "title": title, "facets": ["color"], "tags": ["color:red"], "shop": "a"}
        for at, title in enumerate(titles)
    ]
    path = folder / "shop.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    return path


@pytest.mark.parametrize("when", ["while it is written", "before it is renamed"])
def test_an_entry_of_a_killed_process_is_never_used(tmp_path, when):
    program = f"""
import os, signal
from pathlib import Path
from hangtag.trainer.files.cache import Cache
def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)
def write(folder):
    (folder / "numbers").write_bytes(b"1" * 50)
    if {when!r} == "while it is written":
        kill()
Path.rename = kill
Cache(Path({str(tmp_path)!r})).add("key", write)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, check=False)
    cache = Cache(tmp_path)

    assert done.returncode < 0
    assert list(tmp_path.iterdir()), "the process left something"
    assert cache.find("key") is None
    entry = cache.add("key", write_entry)
    assert cache.find("key") == entry
    assert (entry / "numbers").read_bytes() == b"1" * 100


def test_an_entry_whose_files_were_cut_is_made_again(tmp_path):
    cache = Cache(tmp_path)
    entry = cache.add("key", write_entry)
    (entry / "numbers").write_bytes(b"1" * 99)

    assert cache.find("key") is None
    assert cache.add("key", write_entry) == cache.find("key") == entry


def test_beyond_the_limit_the_least_recently_used_entries_are_removed(tmp_path):
    cache = Cache(tmp_path, limit=250)
    for at, key in enumerate(("one", "two")):
        os.utime(cache.add(key, write_entry) / "entry.json", (at, at))
    cache.find("one")

    cache.add("three", write_entry)

    assert [cache.find(key) is not None for key in ("one", "two", "three")] == [True, False, True]


def test_a_folder_that_cannot_be_written_costs_only_the_entry(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file" / "prepared")
    products = [LabelledProduct("1", "a red dress", "", "", frozenset(), frozenset())]

    (tokens,) = tokens_of(products, tiny_tokenizer(), cache)

    assert tokens.ids.tolist() == tiny_tokenizer()([products[0].text])[0].ids.tolist()
    assert "prepared data cannot be kept there" in caplog.text


def test_products_and_tokens_are_the_same_from_the_cache(tmp_path, monkeypatch):
    cache = Cache(tmp_path / "prepared")
    path = file_of(tmp_path, "a red dress", "", "a cat and a game of the space " * 9)
    expected = read_labelled([path])
    tokenizer = tiny_tokenizer()
    first = kept_products([path], Columns(), [], cache)
    first_tokens = list(tokens_of(first, tokenizer, cache))

    def forbidden(*_):
        raise AssertionError

    monkeypatch.setattr(kept_module, "read_rows", forbidden)
    monkeypatch.setattr(token_table, "_tokenised", forbidden)
    again = kept_products([path], Columns(), [], cache)
    tokens = tokens_of(again, tokenizer, cache)

    assert first == again == expected
    for one, other, plain in zip(first_tokens, tokens, tokenizer([product.text for product in expected]), strict=True):
        for each in (one, other):
            assert (each.ids.tolist(), each.segments.tolist()) == (plain.ids.tolist(), plain.segments.tolist())
            assert each.is_cut == plain.is_cut
            assert each.ids.dtype == plain.ids.dtype
            assert each.segments.dtype == plain.segments.dtype


def test_a_changed_row_setting_or_tokenizer_makes_another_entry(tmp_path):
    cache = Cache(tmp_path / "prepared")
    path = file_of(tmp_path, "a red dress")
    products = kept_products([path], Columns(), [], cache)
    tokens_of(products, tiny_tokenizer(), cache)
    before = len(list(cache.folder.iterdir()))

    changed = kept_products([file_of(tmp_path, "a blue dress")], Columns(), [], cache)
    renamed = kept_products([path], Columns(renames={"color:red": "color:blue"}), [], cache)
    (other,) = tokens_of(changed, tiny_tokenizer(), cache)
    shorter = tokens_of(changed, ProductTokenizer(tiny_tokenizer()._tokenizer, 3), cache)

    assert before == 2
    assert changed[0].title == "a blue dress"
    assert renamed[0].tags == {"color:blue"}
    assert other.ids.tolist() == tiny_tokenizer()([changed[0].text])[0].ids.tolist()
    assert [len(each) for each in shorter] == [3]
    assert len(list(cache.folder.iterdir())) == before + 4


def test_a_file_with_bad_rows_is_not_kept(tmp_path):
    cache = Cache(tmp_path / "prepared")
    path = tmp_path / "shop.jsonl"
    path.write_text("{\n")
    bad = []

    assert kept_products([path], Columns(), bad, cache) == kept_products([path], Columns(), bad, cache) == []
    assert len(bad) == 2
    assert not cache.folder.exists()


def test_keys_differ_where_their_parts_do():
    assert len({key_of("ab", "c"), key_of("a", "bc"), key_of("a", ["bc"]), key_of("a", {"bc": 1})}) == 4

"""Reading labelled files of three formats, with default or mapped columns; bad rows do not affect other rows."""

import gzip
import json

import pytest

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed (extra train)")
from pyarrow import parquet

from hangtag.trainer.data.labelled import LabelledFileError, read_labelled, read_rows
from hangtag.trainer.data.row import MAX_ROW_BYTES
from hangtag.trainer.data.rows import RowsOf
from hangtag.trainer.recipe.columns import Columns, ColumnsError

MAPPED = Columns.read(None, ["product_id=Nr", "title=Name", "facet.color=Farbe", "facet.theme=Thema", "none=keine"])
TABLE = [
    {"Nr": "1", "Name": "Roter Schal", "Farbe": "rot", "Thema": "", "Laden": "a"},
    {"Nr": "2", "Name": 'Spiel, "neu"', "Farbe": "keine", "Thema": "Katze|Weltraum", "Laden": "b"},
]


def rows_as(kind: str, folder):
    path = folder / f"shop.{kind}"
    if kind == "parquet":
        parquet.write_table(pa.Table.from_pylist(TABLE), path)
    elif kind == "jsonl.gz":
        path.write_bytes(gzip.compress("\n".join(map(json.dumps, TABLE)).encode()))
    else:
        mark = {"csv": ";", "tsv": "\t"}[kind]
        quoted = [['"' + value.replace('"', '""') + '"' for value in row.values()] for row in TABLE]
        path.write_text("\n".join(mark.join(cells) for cells in [list(TABLE[0]), *quoted]), encoding="utf-8-sig")
    return path


@pytest.mark.parametrize("kind", ["csv", "tsv", "parquet", "jsonl.gz"])
def test_mapped_columns_in_every_format(tmp_path, kind):
    first, second = read_labelled([rows_as(kind, tmp_path)], MAPPED)

    assert (first.product_id, first.title, first.facets, first.tags) == ("1", "Roter Schal", {"color"}, {"color:rot"})
    assert second.title == 'Spiel, "neu"'
    assert second.facets == {"color", "theme"}
    assert second.tags == {"theme:Katze", "theme:Weltraum"}


def test_default_columns_in_a_csv(tmp_path):
    path = tmp_path / "shop.csv"
    path.write_text("product_id,title,facets,tags\n7,Scarf,color|class,color:red|class:scarves\n")

    (product,) = read_labelled([path])

    assert product.tags == {"color:red", "class:scarves"}
    assert product.facets == {"color", "class"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "not JSON"),
        ("[1]", "not a JSON object"),
        ('{"product_id": "", "facets": [], "tags": []}', "product_id is empty"),
        ('{"product_id": "x", "facets": ["Color"], "tags": []}', "not a valid name"),
        ('{"product_id": "x", "facets": ["color"], "tags": ["color:"]}', "not facet:value"),
        ('{"product_id": "x", "facets": [], "tags": [], "title": 3}', "title is not a text"),
        ('{"product_id": "' + "x" * MAX_ROW_BYTES + '"}', "longer than"),
        ("\udcff", "not UTF-8"),
    ],
)
def test_bad_row_is_reported_and_other_rows_are_read(tmp_path, line, reason):
    good = json.dumps({"product_id": "1", "facets": [], "tags": []})
    path = tmp_path / "shop.jsonl"
    path.write_bytes(f"{good}\n{line}\n{good}".encode("utf-8", "surrogateescape"))

    reading = read_rows([path])
    rows, bad = reading.good, reading.bad

    assert [row.line for row in rows] == [1, 3]
    assert [(each.line, reason in each.reason) for each in bad] == [(2, True)]
    with pytest.raises(LabelledFileError, match=r"shop.jsonl, line 2"):
        read_labelled([path])


def test_a_mistake_in_the_reader_is_not_reported_as_a_bad_row(tmp_path, monkeypatch):
    def fail(*_):
        raise ValueError

    monkeypatch.setattr("hangtag.trainer.data.labelled.labels_of", fail)
    (tmp_path / "shop.jsonl").write_text(json.dumps({"product_id": "1", "facets": [], "tags": []}))

    with pytest.raises(ValueError, match="^$"):
        read_rows([tmp_path / "shop.jsonl"])


def test_bad_rows_in_a_csv(tmp_path):
    path = tmp_path / "shop.csv"
    path.write_text('product_id,facets,tags\n1,,\n2,color\n3,,\n"4"x,,\n')

    reading = read_rows([path])
    rows, bad = reading.good, reading.bad

    assert [row.product.product_id for row in rows] == ["1", "3"]
    assert [each.line for each in bad] == [3, 5]


@pytest.mark.parametrize(
    ("columns", "labels"),
    [
        (Columns(), {"facets": ["TEXT"], "tags": []}),
        (Columns(), {"facets": ["color"], "tags": ["TEXT"]}),
        (Columns(), {"facets": ["shop"], "tags": "TEXT"}),
        (Columns(), {"facets": [f"facet{at}" for at in range(30)], "tags": ["TEXT"]}),
        (Columns.read(None, ["facet.color=tags"]), {"tags": "TEXT\nTEXT"}),
        (Columns.read(None, ["facet.color=tags", "separator="]), {"tags": "TEXT" * 9}),
    ],
)
def test_a_reason_quotes_little_of_a_cell_that_may_be_a_products_text(tmp_path, columns, labels):
    text = "A warm red scarf, knitted by hand from the wool of our own sheep. " * 4
    path = tmp_path / "shop.jsonl"
    path.write_text(json.dumps({"product_id": "1", **labels}).replace("TEXT", text))

    (bad,) = read_rows([path], columns).bad

    assert "sheep" not in bad.reason
    assert len(bad.reason) < 200


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_an_integral_number_becomes_its_integer_text(tmp_path, kind):
    rows = [{"Nr": "1", "Name": "x", "size": 38.0}, {"Nr": "2", "Name": "x", "size": 38.5}]
    rows.append({"Nr": "3", "Name": "x", "size": None})
    path = tmp_path / f"shop.{kind}"
    if kind == "parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("\n".join(map(json.dumps, rows)))
    texts = tmp_path / "shop.csv"
    texts.write_text("Nr,Name,size\n1,x,38.0\n")
    columns = Columns.read(None, ["product_id=Nr", "title=Name", "facet.size=size"])

    assert [each.tags for each in read_labelled([path], columns)] == [{"size:38"}, {"size:38.5"}, set()]
    assert [each.tags for each in read_labelled([texts], columns)] == [{"size:38.0"}]


@pytest.mark.parametrize(
    ("none", "cells"),
    [
        ("none", ['" none"', '"none "', '["none"]']),
        (" none", ['"none"']),
        ("false", ["false", '"false"']),
        ("0", ["0", "0.0", '" 0"']),
    ],
)
def test_the_cell_for_no_tag_is_recognised_in_every_spelling(tmp_path, none, cells):
    path = tmp_path / "shop.jsonl"
    path.write_text("\n".join(f'{{"product_id": "1", "gift": {cell}}}' for cell in [*cells, "true"]))
    columns = Columns.read(None, ["facet.gift=gift", f"none={none}"])

    *without, other = read_labelled([path], columns)

    assert [(each.facets, each.tags) for each in without] == [({"gift"}, set())] * len(cells)
    assert other.tags == {"gift:true"}


def test_the_reason_for_a_cell_too_long_for_csv_mentions_the_limit(tmp_path):
    path = tmp_path / "shop.csv"
    path.write_text("product_id,title\n1," + "x" * 200_000 + "\n2,shoe\n")

    bad, good = RowsOf(path, Columns(labelled=False))

    assert "or a cell longer than 131,072 characters" in bad.reason
    assert good.fields["title"] == "shoe"


def test_files_and_mappings_that_cannot_be_used(tmp_path):
    (tmp_path / "shop.csv").write_text("id,title\n1,x\n")
    (tmp_path / "shop.parquet").write_text("no")

    headless = tmp_path / "headless.csv"
    headless.write_text("1,A dress of silk and lace for long evenings in the garden\n")
    with pytest.raises(LabelledFileError, match="A dress of silk and lace for l…") as raised:
        read_labelled([headless])
    assert "garden" not in str(raised.value)
    with pytest.raises(LabelledFileError, match="missing columns: facets, product_id, tags; found: id, title"):
        read_rows([tmp_path / "shop.csv"])
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(LabelledFileError, match="first line is empty"):
        read_rows([tmp_path / "empty.csv"])
    with pytest.raises(LabelledFileError, match="Parquet"):
        read_rows([tmp_path / "shop.parquet"])
    with pytest.raises(LabelledFileError, match="no such file"):
        read_rows([tmp_path / "none.csv"])
    with pytest.raises(ColumnsError, match="color"):
        Columns.read(None, ["color=Farbe"])
    with pytest.raises(ColumnsError, match="name=column"):
        Columns.read(None, ["color"])
    (tmp_path / "columns.toml").write_text("title = ")
    with pytest.raises(ColumnsError, match=r"columns\.toml: not valid TOML"):
        Columns.read(tmp_path / "columns.toml")

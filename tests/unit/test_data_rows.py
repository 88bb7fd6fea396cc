"""Every row of a file is read, refused or counted as empty, whatever its format, encoding, line ends and quotes."""

import csv
import gzip
import io
import json
import random
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed (extra train)")
from pyarrow import parquet

from hangtag.trainer.data.labelled import LabelledFileError, Reading, read_labelled, read_rows
from hangtag.trainer.recipe.columns import Columns, ColumnsError

MAPPED = Columns.read(None, ["product_id=Nr", "title=Name", "facet.color=Farbe"])


def read(folder: Path, name: str, content: bytes, columns: Columns = MAPPED) -> Reading:
    (folder / name).write_bytes(content)
    return read_rows([folder / name], columns)


def read_table(folder: Path, text: str, name: str = "shop.csv", columns: Columns = MAPPED) -> Reading:
    return read(folder, name, text.encode(), columns)


def ids(reading: Reading) -> list[str]:
    return [row.product.product_id for row in reading.good]


def bad(reading: Reading) -> list[int]:
    return [row.line for row in reading.bad]


@pytest.mark.parametrize("mark", ["\t", ",", ";"])
def test_a_quote_that_is_part_of_a_text_swallows_no_rows(tmp_path, mark):
    """With such a quote at the beginning of one text and at the end of another, the rows between them look quoted."""
    lines = ["Nr|Name|Farbe", '1|"Red" shoe|red', '2|"Blue shoe|blue', "3|Green shoe|green", '4|24"|black', "5|x|red"]
    text = "\n".join(lines).replace("|", mark)

    reading = read_table(tmp_path, text, "shop.tsv" if mark == "\t" else "shop.csv")

    assert (ids(reading), bad(reading)) == (["3", "4", "5"], [2, 3])
    assert "close or double the quote" in reading.bad[1].reason


@pytest.mark.parametrize("ends", [["4|24|black"], []])
def test_a_quote_that_is_never_closed_costs_one_row(tmp_path, ends):
    text = "\n".join(["Nr|Name|Farbe", '1|"Red|red', "2|Blue|blue", "3|Green|green", *ends]).replace("|", "\t")

    reading = read_table(tmp_path, text, "shop.tsv")

    assert bad(reading) == [2]
    assert ids(reading) == ["2", "3", "4"][: 2 + len(ends)]


def test_a_quote_that_makes_too_many_cells_swallows_no_rows(tmp_path):
    reading = read_table(tmp_path, 'Nr,Name,Farbe\n1,A,"B\n2,C",D\n3,E,F\n')

    assert (ids(reading), bad(reading)) == (["2", "3"], [2])


@pytest.mark.parametrize("mark", ["\t", ",", ";"])
def test_a_quoted_cell_may_have_several_lines(tmp_path, mark):
    text = f'Nr{mark}Name{mark}Farbe\n1{mark}"Red, warm\nsoft; light\n\nshoe"{mark}red\n2{mark}"a\nb"{mark}"blue\n"\n'

    reading = read_table(tmp_path, text, "shop.tsv" if mark == "\t" else "shop.csv")

    assert not reading.bad
    assert [row.line for row in reading.good] == [2, 6]
    assert reading.good[0].product.title == "Red, warm\nsoft; light\n\nshoe"


CELLS = st.text(st.sampled_from('ab ,;"\n\r\tß'), max_size=12)


@given(st.lists(st.tuples(CELLS, CELLS), max_size=8), st.sampled_from(["\n", "\r", "\r\n"]), st.sampled_from(",;"))
def test_every_row_that_a_csv_writer_writes_is_counted(tmp_path_factory, rows, end, mark):
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=mark, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([("Nr", "Name", "Farbe"), *((f"id {at}", *cells) for at, cells in enumerate(rows))])

    columns = Columns(product_id="Nr", title="Name", labelled=False)
    reading = read_table(tmp_path_factory.mktemp("rows"), buffer.getvalue(), columns=columns)

    assert not reading.bad
    assert [(row.product.product_id, row.product.title) for row in reading.good] == [
        (f"id {at}", title) for at, (title, _) in enumerate(rows)
    ]


@given(st.lists(st.text(st.sampled_from('ab"'), max_size=4), max_size=8), st.sampled_from(["shop.tsv", "shop.csv"]))
def test_every_line_of_a_table_without_quoting_is_counted(tmp_path_factory, titles, name):
    mark = "\t" if name.endswith("tsv") else ","
    lines = [f"{at}{mark}{title}{mark}red" for at, title in enumerate(titles)]

    reading = read_table(tmp_path_factory.mktemp("rows"), "\n".join([f"Nr{mark}Name{mark}Farbe", *lines]), name)

    assert len(reading.good) + len(reading.bad) == len(titles)
    assert reading.empty == 0


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "tsv", "jsonl", "jsonl.gz", "parquet"])
def test_empty_rows_are_counted(tmp_path, kind):
    rows = [["1", "Shoe", "red"], ["", " ", ""], ["2", "Shoe", ""], ["", "", ""], ["", "Shoe", "red"]]
    path = tmp_path / f"shop.{kind}"
    if kind == "parquet":
        cells = [dict(zip(("Nr", "Name", "Farbe"), row, strict=True)) for row in rows]
        cells.append(dict.fromkeys(cells[0]))
        parquet.write_table(pa.Table.from_pylist(cells), path)
    else:
        mark = "\t" if "tsv" in kind else ","
        lines = [mark.join(row) for row in [["Nr", "Name", "Farbe"], *rows]]
        if "jsonl" in kind:
            lines = [
                json.dumps({"Nr": nr, "Name": name, "Farbe": color}) if nr + color else " " for nr, name, color in rows
            ]
        content = "\n".join([*lines, ""]).encode() + b"\n"
        path.write_bytes(gzip.compress(content) if kind.endswith("gz") else content)

    reading = read_rows([path], MAPPED)

    assert (ids(reading), len(reading.bad), reading.empty) == (["1", "2"], 1, 3)
    (counts,) = reading.files
    assert (counts.good, counts.bad, counts.empty) == (2, 1, 3)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "cp1251", "gb18030"]
)
@pytest.mark.parametrize("kind", ["csv", "csv.gz", "tsv"])
def test_a_table_is_read_in_every_encoding_and_with_every_line_end(tmp_path, encoding, end, kind):
    words = {"cp1251": ("Красное платье", "красный"), "gb18030": ("红色连衣裙，夏季新款", "红色")}
    title, color = words.get(encoding, ("Größe: weißer Schal für Männer", "weiß"))
    mark = "\t" if kind == "tsv" else ";"
    lines = ["Nr|Name|Farbe", f"1|{title}|{color}", f'2|"{title}\n2"|{color}']
    content = end.join([*lines, ""]).replace("|", mark).encode(encoding)

    reading = read(tmp_path, f"shop.{kind}", gzip.compress(content) if kind.endswith("gz") else content)

    assert not reading.bad
    assert [row.product.title for row in reading.good] == [title, f"{title}\n2"]
    assert {tag for row in reading.good for tag in row.product.tags} == {f"color:{color}"}
    (counts,) = reading.files
    assert counts.is_detected == (encoding in {"cp1252", "cp1251", "gb18030"})
    assert "utf" in counts.encoding or counts.encoding == encoding


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_jsonl_is_read_in_every_unicode_encoding_and_with_every_line_end(tmp_path, encoding, end):
    lines = [json.dumps({"Nr": nr, "Name": "Größe", "Farbe": "weiß"}, ensure_ascii=False) for nr in ("1", "2")]

    reading = read(tmp_path, "shop.jsonl", end.join(lines).encode(encoding))

    assert (ids(reading), reading.bad, reading.empty) == (["1", "2"], [], 0)
    assert reading.good[0].product.title == "Größe"


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-16"])
def test_a_header_may_have_other_letters_and_several_lines(tmp_path, encoding):
    columns = Columns.read(None, ["product_id=Artikel Nr", "title=Größe", "facet.color=Farbe"])
    content = '"Artikel\nNr";"Größe";Farbe\n1;Schöner Schal, weiß;rot\n'.encode(encoding)

    reading = read(tmp_path, "shop.csv", content, columns)

    assert not reading.bad
    assert [(row.line, row.product.product_id, row.product.title) for row in reading.good] == [
        (3, "1", "Schöner Schal, weiß")
    ]


def test_an_encoding_that_is_given_is_used(tmp_path):
    content = "Nr;Name;Farbe\n1;Žluté šaty;červená\n".encode("cp1250")
    columns = Columns.read(None, ["product_id=Nr", "title=Name", "facet.color=Farbe", "encoding=windows-1250"])

    reading = read(tmp_path, "shop.csv", content, columns)

    assert reading.good[0].product.title == "Žluté šaty"
    assert not reading.files[0].is_detected
    with pytest.raises(ColumnsError, match="encoding: .*no encoding that Python knows"):
        Columns.read(None, ["encoding=utf-9"])


def test_a_few_lines_that_are_not_utf_8_are_refused(tmp_path):
    content = "Nr;Name;Farbe\n1;Größe;weiß\n2;Süß;weiß\n".encode() + "3;Größe;weiß\n".encode("cp1252")

    reading = read(tmp_path, "shop.csv", content)

    assert (ids(reading), bad(reading)) == (["1", "2"], [4])
    assert reading.bad[0].reason.startswith("not UTF-8 at byte 5: save the file as UTF-8")


@pytest.mark.parametrize("kind", ["jsonl.gz", "csv.gz"])
def test_a_gzip_that_ends_early_is_an_error_with_the_count(tmp_path, kind):
    rng = random.Random(3)
    header = [] if "jsonl" in kind else ["Nr,Name,Farbe"]
    titles = ["".join(rng.choices("abcdefgh ", k=60)) for _ in range(5_000)]
    lines = [
        json.dumps({"Nr": str(at), "Name": title, "Farbe": "red"}) if "jsonl" in kind else f"{at},{title},red"
        for at, title in enumerate(titles)
    ]
    whole = gzip.compress("\n".join([*header, *lines]).encode())

    reading = read(tmp_path, f"shop.{kind}", whole[: len(whole) // 2])

    assert 1_000 < len(reading.good) < 4_000
    assert bad(reading) == [len(header) + len(reading.good) + 1]
    assert "cannot be read from here on" in reading.bad[0].reason
    assert f"; {len(reading.good):,} rows were read before" in reading.bad[0].reason
    with pytest.raises(LabelledFileError, match="rows were read before"):
        read_labelled([tmp_path / f"shop.{kind}"], MAPPED)


def test_a_utf_16_file_that_ends_within_a_letter_is_an_error(tmp_path):
    reading = read(tmp_path, "shop.csv", "Nr,Name,Farbe\n1,Shoe,red\n".encode("utf-16")[:-1])

    assert "cannot be read from here on" in reading.bad[-1].reason


def test_a_parquet_date_out_of_range_costs_no_row(tmp_path):
    dates = pa.array([0, 4_000_000, None], pa.date32())
    stamps = pa.array([0, 2**40, 1], pa.timestamp("s"))
    fine = pa.array([1_001, 1_500, None], pa.timestamp("ns"))
    nested = pa.array([[0], [4_000_000], []], pa.list_(pa.date32()))
    rows = {"Nr": ["1", "2", "3"], "Name": ["a", "b", "c"], "Farbe": ["red"] * 3}
    table = pa.table({**rows, "since": dates, "at": stamps, "seen": fine, "days": nested})
    parquet.write_table(table, tmp_path / "shop.parquet")

    reading = read_rows([tmp_path / "shop.parquet"], MAPPED)

    assert (ids(reading), reading.bad) == (["1", "2", "3"], [])
    assert reading.good[0].others["since"] == date(1970, 1, 1)
    assert reading.good[1].others["since"] == "4000000 (date32[day])"


def test_decimal_ids_are_integers(tmp_path):
    numbers = pa.array([Decimal("12345.00"), Decimal("1.50"), None], pa.decimal128(10, 2))
    parquet.write_table(pa.table({"Nr": numbers, "Name": ["x"] * 3, "Farbe": ["red"] * 3}), tmp_path / "shop.parquet")

    reading = read_rows([tmp_path / "shop.parquet"], MAPPED)

    assert (ids(reading), bad(reading)) == (["12345"], [2, 3])


@pytest.mark.parametrize("kind", ["parquet", "jsonl"])
def test_ids_that_pandas_made_floats_are_integers(tmp_path, kind):
    rows = [{"Nr": nr, "Name": "x", "Farbe": "red"} for nr in (12345.0, 2.0**53, None, float("nan"), 1.5, 1e17)]
    path = tmp_path / f"shop.{kind}"
    if kind == "parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("\n".join(map(json.dumps, rows)))

    reading = read_rows([path], MAPPED)

    assert ids(reading) == ["12345", "9007199254740992"]
    assert [row.reason for row in reading.bad] == [
        *["Nr is empty"] * 2,
        *["Nr is a number with a fraction or too large to be exact: store ids as texts"] * 2,
    ]


def test_a_text_that_pandas_made_nan_is_missing(tmp_path):
    (row,) = read(tmp_path, "shop.jsonl", b'{"Nr": "1", "Name": NaN, "Farbe": NaN}').good

    assert (row.product.title, row.product.facets) == ("", frozenset())


def test_training_logs_empty_rows_and_the_encoding(tmp_path, caplog):
    path = tmp_path / "shop.csv"
    path.write_bytes("Nr;Name;Farbe\n1;Größe;weiß\n;;\n".encode("cp1252"))

    read_labelled([path], MAPPED)

    assert [record.message for record in caplog.records] == [
        f"{path}: 1 empty rows were skipped",
        f"{path} was read as cp1252 (detected; if letters are wrong, give --column encoding=NAME)",
    ]

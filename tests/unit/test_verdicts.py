"""Verdicts of people: read from Label Studio's exports and tables, applied to labels, and not asked for again."""

import json

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra train)")

from typer.testing import CliRunner

from hangtag.cli.app import app
from hangtag.trainer.data.labelled import read_labelled
from hangtag.trainer.data.row import LabelledFileError
from hangtag.trainer.data.verdicts import Verdict, read_verdicts
from hangtag.trainer.judging.label_noise import find_label_noise


def task(product_id, facet, *annotations):
    return {"data": {"product_id": product_id, "facet": facet, "title": "x"}, "annotations": list(annotations)}


def annotation(*choices, at="2026-01-01", cancelled=False):
    value = {"from_name": "tags", "to_name": "title", "type": "choices", "value": {"choices": list(choices)}}
    return {"was_cancelled": cancelled, "updated_at": at, "result": [value] if choices else []}


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def test_the_last_annotation_that_was_not_skipped_counts(tmp_path):
    tasks = [
        task("1", "color", annotation("red", at="2026-01-02"), annotation("blue", at="2026-01-01")),
        task("2", "color", annotation("red", cancelled=True)),
        task("3", "color"),
        task("4", "color", annotation()),
        task("5", "theme", annotation("a", "b")),
    ]

    assert read_verdicts(write(tmp_path / "export.json", tasks)) == [
        Verdict("1", "color", frozenset({"color:red"})),
        Verdict("4", "color", frozenset()),
        Verdict("5", "theme", frozenset({"theme:a", "theme:b"})),
    ]


def test_the_short_export_is_read_too(tmp_path):
    tasks = [
        {"product_id": "1", "facet": "color", "tags": "red"},
        {"product_id": "2", "facet": "theme", "tags": {"choices": ["a", "b"]}},
        {"product_id": "3", "facet": "theme"},
    ]

    assert [sorted(each.tags) for each in read_verdicts(write(tmp_path / "min.json", tasks))] == [
        ["color:red"],
        ["theme:a", "theme:b"],
    ]


def test_a_table_has_a_verdict_in_each_row_that_was_decided(tmp_path):
    table = "product_id,facet,verdict,title\r\n1,color,red,x\r\n2,theme,a|b,x\r\n3,color,none,x\r\n4,color,,x\r\n"

    assert read_verdicts(write(tmp_path / "t.csv", "\ufeff" + table)) == [
        Verdict("1", "color", frozenset({"color:red"})),
        Verdict("2", "theme", frozenset({"theme:a", "theme:b"})),
        Verdict("3", "color", frozenset()),
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.json", None, "none.json: No such file"),
        ("a.json", "{", "not JSON"),
        ("a.json", "{}", "is not a list of tasks"),
        ("a.json", [1], "task 1: is not an object"),
        ("a.json", [task("", "color", annotation("red"))], "task 1: product_id or facet is missing"),
        ("a.json", [task("1", "color", annotation("\n"))], "is not a tag"),
        ("a.csv", "product_id,facet\n1,color\n", "missing columns: verdict"),
        ("a.txt", "red", "name an export of Label Studio"),
    ],
)
def test_what_is_no_verdict_is_refused_with_its_place(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        write(path, content)

    with pytest.raises(LabelledFileError, match=message):
        read_verdicts(path)


def rows(count, wrong=()):
    for number in range(count):
        color = ("red", "blue")[number % 2]
        label = color if number not in wrong else {"red": "blue", "blue": "red"}[color]
        yield {
            "product_id": str(number),
            "title": f"{color} scarf {number % 7}",
            "facets": ["color"],
            "tags": [f"color:{label}"],
            "note": number,
        }


def lines(products):
    return "".join(json.dumps(row) + "\n" for row in products)


def test_corrected_files_have_the_verdicts_and_everything_else(tmp_path):
    files = [write(tmp_path / "train.jsonl", lines(rows(6)))]
    verdicts = write(
        tmp_path / "v.csv", "product_id,facet,verdict\n0,color,blue\n1,color,blue\n2,theme,a\n99,color,red\n"
    )
    out = tmp_path / "corrected.jsonl"
    before = files[0].read_bytes()
    done = CliRunner().invoke(app, ["data", "correct", str(files[0]), "--verdicts", str(verdicts), "--out", str(out)])

    assert done.exit_code == 0, done.output
    assert "2 labels changed, 1 confirmed as they are" in done.stdout
    assert "1 verdicts are about products that the files lack: 99" in done.stdout
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["tags"] for row in found[:3]] == [["color:blue"], ["color:blue"], ["color:red", "theme:a"]]
    assert [row.get("confirmed") for row in found[:4]] == [["color"], ["color"], ["theme"], None]
    assert [row["note"] for row in found] == list(range(6))
    assert files[0].read_bytes() == before
    assert [sorted(product.confirmed) for product in read_labelled([out])][:3] == [["color"], ["color"], ["theme"]]


def test_the_input_is_never_replaced(tmp_path):
    path = write(tmp_path / "train.jsonl", lines(rows(2)))
    verdicts = write(tmp_path / "v.csv", "product_id,facet,verdict\n0,color,blue\n")
    done = CliRunner().invoke(app, ["data", "correct", str(path), "--verdicts", str(verdicts), "--out", str(path)])

    assert "is an input and would be replaced" in str(done.exception)


def test_a_confirmed_label_is_not_asked_about_again(tmp_path):
    path = write(tmp_path / "train.jsonl", lines(rows(60, wrong={4, 7})))
    asked = {
        read_labelled([path])[each.place].product_id for each in find_label_noise(read_labelled([path])).suspicions
    }
    verdicts = write(tmp_path / "v.csv", "product_id,facet,verdict\n4,color,blue\n")
    out = tmp_path / "corrected.jsonl"
    CliRunner().invoke(app, ["data", "correct", str(path), "--verdicts", str(verdicts), "--out", str(out)])
    products = read_labelled([out])
    again = {products[each.place].product_id for each in find_label_noise(products).suspicions}

    assert {"4", "7"} <= asked
    assert "7" in again
    assert "4" not in again


def test_a_split_keeps_what_was_confirmed(tmp_path):
    products = [row | {"confirmed": ["color"]} for row in rows(20)]
    path = write(tmp_path / "train.jsonl", lines(products))
    done = CliRunner().invoke(app, ["data", "split", str(path), "--out", str(tmp_path / "parts")])

    assert done.exit_code == 0, done.output
    kept = read_labelled([tmp_path / "parts" / "train.jsonl"])
    assert kept
    assert all(product.confirmed == {"color"} for product in kept)

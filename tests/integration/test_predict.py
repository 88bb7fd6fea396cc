"""Predictions on a real bundle without a stack: formats, bad rows, a killed command, what is refused."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hangtag.bundle import load_bundle
from hangtag.cli.app import app
from hangtag.cli.errors import CommandError
from hangtag.tagger import Tagger
from hangtag.tags.thresholds import TagThresholds
from hangtag.text.product_text import ProductText
from tests.bundles import write_tiny_bundle

ROOT = Path(__file__).parents[2]
WORDS = ("red", "blue", "dress", "shoe", "cat", "food", "game", "space")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "tiny"
    write_tiny_bundle(folder, thresholds=TagThresholds(auto=0.5, review=0.3))
    return folder


def title(at: int) -> str:
    return f"{WORDS[at % 8]} {WORDS[at // 8 % 8]} {at}"


def write_jsonl(path: Path, count: int) -> Path:
    rows = ({"product_id": f"p{at}", "title": title(at), "description": "the game " * (at % 9)} for at in range(count))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def predict(*arguments: object):
    return CliRunner().invoke(app, ["predict", *map(str, arguments), "--engine", "cpu"])


def lines_of(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_row_of_a_table_has_a_row_in_the_result(bundle, tmp_path):
    shop = tmp_path / "shop.csv"
    shop.write_text('Nr;Name;Text\n1;red dress;nice\n2;"blue\nshoe";\n\n;no id;\n4;<br>;\n1;cat food;again\n')
    mapping = [part for each in ("product_id=Nr", "title=Name", "description=Text") for part in ("--column", each)]

    done = predict(shop, "--bundle", bundle, *mapping, "--out", tmp_path / "tags.jsonl")

    assert done.exit_code == 1, done.output
    assert "2 that cannot be tagged" in done.output
    found = lines_of(tmp_path / "tags.jsonl")
    assert [(row["line"], row["product_id"], row["error"]) for row in found] == [
        (2, "1", None),
        (3, "2", None),
        (6, None, "Nr is empty"),
        (7, "4", "there is no text to tag"),
        (8, "1", None),
    ]
    (expected,) = Tagger.load(bundle, "cpu")([ProductText.of("red dress", "nice")])
    tags = [f"{tag['facet']}:{tag['value']}" for tag in (*found[0]["tags"], *found[0]["review"])]
    assert tags == [scored.tag for scored in (*expected.tags, *expected.review)]
    assert {tag["band"] for row in found for tag in row["tags"]} == {"AUTO"}
    assert {tag["band"] for row in found for tag in row["review"]} <= {"REVIEW"}
    assert {row["bundle_version"] for row in found} == {load_bundle(bundle).version}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shop.csv", "tags.jsonl"]


def test_the_formats_hold_the_same(bundle, tmp_path):
    pytest.importorskip("pyarrow", reason="pyarrow is not installed (extra train)")
    from pyarrow import Table
    from pyarrow.parquet import read_table, write_table

    source = write_jsonl(tmp_path / "shop.jsonl", 300)
    write_table(Table.from_pylist(lines_of(source)), tmp_path / "shop.parquet")

    for arguments in (("shop.jsonl",), ("shop.parquet",), ("shop.jsonl", "--out", tmp_path / "table.csv")):
        done = predict(tmp_path / arguments[0], "--bundle", bundle, "--candidates", 2, *arguments[1:])
        assert done.exit_code == 0, done.output

    expected = lines_of(tmp_path / "shop.tags.jsonl")
    assert len(expected) == 300
    parquet = read_table(tmp_path / "shop.tags.parquet").to_pylist()
    with (tmp_path / "table.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    for row, other, cells in zip(expected, parquet, table, strict=True):
        assert len(row["candidates"]) == 8
        for tags in (other["tags"], other["review"], other["candidates"]):
            for tag in tags:
                tag["confidence"] = round(tag["confidence"], 4)
        assert other == row
        assert cells["product_id"] == row["product_id"]
        for facet in ("segment", "class", "color", "genre"):
            shown = [tag for tag in (*row["tags"], *row["review"]) if tag["facet"] == facet]
            assert cells[facet] == "|".join(tag["value"] for tag in shown)
            assert cells[f"{facet}.band"] == "|".join(tag["band"] for tag in shown)
            likely = [tag for tag in row["candidates"] if tag["facet"] == facet]
            assert cells[f"{facet}.candidates"] == "|".join(f"{tag['value']} {tag['confidence']}" for tag in likely)


@pytest.mark.timeout(240)  # three commands load the engine, on a machine that may be busy
def test_a_stopped_and_a_killed_command_are_continued(bundle, tmp_path):
    source, out = write_jsonl(tmp_path / "shop.jsonl", 6_000), tmp_path / "tags.jsonl"
    unfinished = tmp_path / "tags.jsonl.unfinished"
    whole = tmp_path / "whole.jsonl"
    assert predict(source, "--bundle", bundle, "--out", whole).exit_code == 0
    command = [sys.executable, "-m", "hangtag.cli", "predict", str(source), "--bundle", str(bundle), "--out", str(out)]

    def size() -> int:
        return unfinished.stat().st_size if unfinished.exists() else 0

    for number in (signal.SIGTERM, signal.SIGKILL):
        before = size()
        with subprocess.Popen(
            command,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "HANGTAG_MODEL__THREADS": "1"},
        ) as process:
            while size() == before and process.poll() is None:
                time.sleep(0.002)
            process.send_signal(number)
            _, errors = process.communicate()
        assert process.returncode == (130 if number is signal.SIGTERM else -signal.SIGKILL), errors
        assert ("run the same command again to continue" in errors) == (number is signal.SIGTERM)
        assert size() > before
        assert not out.exists()
    with unfinished.open("ab") as file:
        file.write(b'{"line": 4')  # what a full disk leaves behind

    refused = predict(source, "--bundle", bundle, "--out", out, "--candidates", 1)
    continued = predict(source, "--bundle", bundle, "--out", out)

    assert "of another number of candidates" in str(refused.exception)
    assert continued.exit_code == 0, continued.output
    assert "continuing after" in continued.output
    assert out.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shop.jsonl", "tags.jsonl", "whole.jsonl"]


def test_the_beginning_of_another_result_is_replaced_only_on_request(bundle, tmp_path):
    source, out = write_jsonl(tmp_path / "shop.jsonl", 20), tmp_path / "tags.jsonl"
    begun = tmp_path / "tags.jsonl.unfinished"
    begun.write_text('{"line": 3, "product_id": "x", "tags": [], "review": [], "error": null}\n')
    begun.with_name(f"{begun.name}.json").write_text(json.dumps({"file": "0", "bundle": "1"}))

    refused = predict(source, "--bundle", bundle, "--out", out)
    restarted = predict(source, "--bundle", bundle, "--out", out, "--restart")

    assert "of another file and another bundle" in str(refused.exception)
    assert restarted.exit_code == 0, restarted.output
    assert len(lines_of(out)) == 20


@pytest.mark.parametrize(
    ("name", "out", "words"),
    [
        ("shop.jsonl", "shop.jsonl", "is the file to be tagged"),
        ("shop.jsonl", "tags.xlsx", "ends in .jsonl, .csv, .tsv or .parquet"),
        ("none.csv", "tags.csv", "none.csv: no such file"),
    ],
)
def test_wrong_files_are_named_before_the_bundle_is_loaded(tmp_path, name, out, words):
    write_jsonl(tmp_path / "shop.jsonl", 1)

    done = predict(tmp_path / name, "--bundle", tmp_path / "no bundle", "--out", tmp_path / out)

    assert isinstance(done.exception, CommandError)
    assert words in str(done.exception)


def test_a_missing_column_leaves_nothing_behind(bundle, tmp_path):
    (tmp_path / "shop.csv").write_text("Nr,Name\n1,red dress\n")

    done = predict(tmp_path / "shop.csv", "--bundle", bundle)

    assert "missing columns: product_id; found: Nr, Name" in str(done.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["shop.csv"]


def test_parquet_without_pyarrow_names_the_extra(bundle, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    source = write_jsonl(tmp_path / "shop.jsonl", 1)

    done = predict(source, "--bundle", bundle, "--out", tmp_path / "tags.parquet")

    assert "Parquet needs pyarrow, which is in the extra train; install it with" in str(done.exception)


def test_suggestions_come_from_a_bundle_without_a_server(bundle):
    arguments = ["suggest", "red dress", "--bundle", str(bundle), "--json"]
    query = json.loads(CliRunner().invoke(app, arguments).stdout)
    product = json.loads(CliRunner().invoke(app, [*arguments, "--description", "the game"]).stdout)

    (expected,) = Tagger.load(bundle, "cpu")(["red dress"])
    assert [f"{tag['facet']}:{tag['value']}" for tag in query["tags"]] == [scored.tag for scored in expected.tags]
    assert (query["kind"], product["kind"]) == ("TEXT_KIND_QUERY", "TEXT_KIND_PRODUCT")
    nothing = CliRunner().invoke(app, ["suggest", "<br>", "--bundle", str(bundle)])
    assert "text 1 has no visible text" in str(nothing.exception)

"""`hangtag data`, from a CSV with other column names to files for `hangtag train`."""

import csv
import json
import random
import signal

import pytest

pytest.importorskip("cleanlab", reason="cleanlab is not installed (extra train)")

from typer.testing import CliRunner

from hangtag.cli.app import app
from hangtag.cli.errors import CommandError
from hangtag.trainer.data.labelled import read_labelled
from hangtag.trainer.judging.label_noise import LabelNoise, Suspicion
from hangtag.trainer.recipe.columns import Columns
from tests.integration.tiny_shop import write_base


@pytest.fixture
def shop(tmp_path):
    rng = random.Random(0)
    lines = ["Nr;Name;Farbe;Laden"]
    for number in range(200):
        color = rng.choice(["red", "blue", "green"])
        words = " ".join(rng.choices([f"word{at}" for at in range(60)], k=6))
        lines.append(f"{number};{color} {words};{color};shop{number % 9}")
    path = tmp_path / "shop.csv"
    path.write_text("\n".join(lines))
    return path


COLUMNS = ["--column", "product_id=Nr", "--column", "title=Name", "--column", "facet.color=Farbe"]


def call(*arguments) -> tuple[int, str, Exception | None]:
    done = CliRunner().invoke(app, ["data", *map(str, arguments)])
    return done.exit_code, done.output, done.exception


def test_check_reports_problems_and_fails_on_bad_rows(shop, tmp_path):
    base = write_base(tmp_path)
    code, output, _ = call("check", shop, *COLUMNS, "--base-model", base, "--json-file", tmp_path / "check.json")
    assert code == 0, output
    assert json.loads((tmp_path / "check.json").read_text())["rows"] == 200

    with shop.open("a") as file:
        file.write("\n201;too few")
    code, output, _ = call("check", shop, *COLUMNS, "--base-model", base)

    assert code == 1
    assert "shop.csv" in output
    assert "202" in output


def test_split_writes_files_that_training_can_read(shop, tmp_path):
    code, output, _ = call("split", shop, *COLUMNS, "--out", tmp_path / "out", "--disjoint", "Laden")

    assert code == 0, output
    parts = [read_labelled([tmp_path / "out" / f"{name}.jsonl"]) for name in ("train", "validation")]
    assert sum(map(len, parts)) == 200
    assert {tag for part in parts for product in part for tag in product.tags} == {
        "color:red",
        "color:blue",
        "color:green",
    }


def test_noise_lists_the_flipped_label_first_with_its_text_and_probabilities(shop, tmp_path):
    text = shop.read_text().splitlines()
    number, name, color, its_shop = text[50].split(";")
    other = "blue" if color != "blue" else "red"
    text[50] = f"{number};{name};{other};{its_shop}"
    shop.write_text("\n".join(text))

    files = ["--json-file", tmp_path / "noise.json", "--export", tmp_path / "doubts.csv"]
    code, output, _ = call("noise", shop, *COLUMNS, "--folds", "3", *files)
    first = json.loads((tmp_path / "noise.json").read_text())["suspicions"][0]

    assert code == 0, output
    assert (first["line"], first["given"], first["suggested"]) == (51, f"color:{other}", f"color:{color}")
    assert first["score"] < first["suggested_score"]
    assert f"{first['score']:.3f}, {first['suggested_score']:.3f}" in output
    assert name[:20] in output
    assert "word" not in (tmp_path / "noise.json").read_text()

    # A person agrees: the verdict becomes the label, and nobody is asked again.
    with (tmp_path / "doubts.csv").open(encoding="utf-8", newline="") as file:
        doubts = list(csv.DictReader(file))
    assert (doubts[0]["product_id"], doubts[0]["title"], doubts[0]["predicted"]) == (number, name, color)
    with (tmp_path / "doubts.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(doubts[0]))
        writer.writeheader()
        writer.writerow(doubts[0] | {"verdict": color})
    corrected = tmp_path / "corrected.jsonl"
    call("correct", shop, *COLUMNS, "--verdicts", tmp_path / "doubts.csv", "--out", corrected)
    assert read_labelled([corrected])[49].tags == {f"color:{color}"}
    call("noise", corrected, "--folds", "3", "--json-file", tmp_path / "again.json")
    again = json.loads((tmp_path / "again.json").read_text())["suspicions"]
    assert number not in {row["product_id"] for row in again}


def test_errors_are_one_line(shop, tmp_path):
    _, _, error = call("check", shop)
    assert "map columns with --column" in str(error)
    _, _, error = call("noise", tmp_path / "none.csv")
    assert "no such file" in str(error)
    code, *_ = call("split", shop, *COLUMNS, "--out", tmp_path, "--validation", "0.6", "--test", "0.5")
    assert code == 2
    foreign = tmp_path / "foreign.csv"
    foreign.write_text("")
    _, _, error = call("noise", foreign)
    assert "first line is empty" in str(error)
    empty = tmp_path / "empty.jsonl"
    empty.write_text("\n")
    for command in (["check", empty], ["noise", empty], ["split", empty, "--out", tmp_path / "out"]):
        _, _, error = call(*command)
        assert str(error) == f"no products in {empty} (1 empty rows)"
    empty.write_text("{}")
    _, _, error = call("noise", empty)
    assert "no good row is left" in str(error)


@pytest.mark.parametrize("command", ["check", "noise", "split"])
def test_output_that_cannot_be_written_is_a_one_line_error(shop, tmp_path, command):
    output_path = shop / "out"
    options = ["--base-model", write_base(tmp_path)] if command == "check" else []
    _, output, error = call(
        command, shop, *COLUMNS, *options, "--out" if command == "split" else "--json-file", output_path
    )

    assert isinstance(error, CommandError), output
    assert str(output_path) in str(error)
    assert "cannot be written" in str(error)


@pytest.mark.parametrize("command", ["check", "noise", "split"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_command_and_nothing_is_written(shop, tmp_path, monkeypatch, command, number):
    work = {
        "check": "hangtag.trainer.data.check.find_duplicates",
        "noise": "hangtag.trainer.judging.label_noise.out_of_fold",
        "split": "hangtag.trainer.data.split.find_duplicates",
    }[command]
    monkeypatch.setattr(work, lambda *_, **__: signal.raise_signal(number))
    place = tmp_path / "out"
    options = ["--base-model", write_base(tmp_path)] if command == "check" else []

    code, output, _ = call(command, shop, *COLUMNS, *options, "--out" if command == "split" else "--json-file", place)

    assert code == 130
    assert "stopped; " in output
    assert "Traceback" not in output
    assert not place.exists()


def test_help_has_an_example():
    for command in ("check", "split", "noise"):
        code, output, _ = call(command, "--help")
        assert code == 0
        assert f"Example: hangtag data {command}" in output


def test_split_does_not_replace_its_input(shop, tmp_path):
    folder = tmp_path / "data"
    assert call("split", shop, *COLUMNS, "--out", folder, "--validation", "0.2", "--test", "0.2")[0] == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    _, _, error = call("split", folder / "train.jsonl", "--out", folder, "--validation", "0.1")

    assert (
        str(error) == f"{folder / 'train.jsonl'} is an input and would be replaced by the split: choose another --out"
    )
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_noise_counts_the_rows_that_it_skips(shop, tmp_path):
    with shop.open("a") as file:
        file.write("\n201;too few\n202")

    code, output, _ = call("noise", shop, *COLUMNS, "--folds", "3", "--json-file", tmp_path / "noise.json")
    found = json.loads((tmp_path / "noise.json").read_text())

    assert code == 0
    assert "2 bad rows were skipped" in output
    assert "has 2 cells, the header has 4" in output
    assert (found["rows"], found["rows_left_out"]) == (200, 2)


def test_noise_reports_why_a_tag_is_not_checked(tmp_path):
    path = tmp_path / "red.csv"
    path.write_text("product_id,title,color\n" + "".join(f"{at},shoe {at},red\n" for at in range(50)))

    code, output, _ = call("noise", path, "--column", "facet.color=color")

    assert code == 0
    assert "1 tags were not checked: fewer than 5 products have them, or all of the facet's products do" in output


def test_text_that_looks_like_markup_is_printed_unchanged(tmp_path, monkeypatch):
    lines = [
        {"product_id": f"A[/{at}]\u001b[2J", "title": f"word{at}", "facets": ["size"], "tags": ["size:[/]"]}
        for at in range(20)
    ]
    path = tmp_path / "[b]shop.jsonl"
    path.write_text("\n".join(map(json.dumps, [*lines, {"product_id": "1", "facets": ["[/b]x"], "tags": []}])))
    doubts = LabelNoise([Suspicion(9, "size", "size:[/]", "size:[b]", 0.1, 0.8)], {"size": 20}, ())
    monkeypatch.setattr("hangtag.trainer.judging.label_noise.find_label_noise", lambda *_: doubts)

    code, output, error = call("check", path, "--base-model", write_base(tmp_path))
    assert code == 1, error
    assert "'[/b]x'" in output

    code, output, error = call("noise", path)
    assert code == 0, error
    assert all(each in output for each in ("[b]shop.jsonl", "A[/9]", "[/] ", "[b] ", "'[/b]x'"))
    assert "\u001b" not in output

    path.write_text("\n".join(map(json.dumps, lines)))
    code, output, error = call("split", path, "--out", tmp_path / "[/out]")
    assert code == 0, error
    assert str(tmp_path / "[/out]" / "split.json") in output


def test_check_lists_similar_tags_missing_values_empty_rows_and_the_encoding(shop, tmp_path):
    base = write_base(tmp_path)
    lines = ["201;Größe;weiß;a", "202;Größe groß;Weiß;a", "203;x y z;nan;a", ";;;", ";;;"]
    shop.write_bytes("\n".join([shop.read_text(), *lines]).encode("cp1252"))

    code, output, _ = call("check", shop, *COLUMNS, "--base-model", base, "--json-file", tmp_path / "check.json")
    found = json.loads((tmp_path / "check.json").read_text())

    assert code == 0, output
    assert all(each in output for each in ("weiß", "color:Wei\\xdf", "color:nan", "--column none=VALUE"))
    assert f"{shop} was read as cp1252 (detected; if letters are wrong, give --column encoding=NAME)" in output
    assert "empty rows" in output
    assert found["empty_rows"] == 2
    assert found["files"] == [
        {
            "file": str(shop),
            "encoding": "cp1252",
            "is_detected": True,
            "good": 203,
            "bad": 0,
            "empty": 2,
            "recognised": "",
        }
    ]
    assert [each["tag"] for each in found["look_alike_tags"][0]] == ["color:Weiß", "color:weiß"]
    assert found["missing_value_tags"] == [{"tag": "color:nan", "escaped": "color:nan", "products": 1}]


@pytest.mark.parametrize("command", ["split", "noise"])
def test_empty_rows_and_the_encoding_are_reported(shop, tmp_path, command):
    shop.write_bytes(f"{shop.read_text()}\n;;;\n201;Größe;red;a".encode("utf-16"))

    code, output, _ = call(command, shop, *COLUMNS, *(["--out", tmp_path / "out"] if command == "split" else []))

    assert code == 0, output
    assert "1 empty rows were skipped" in output
    assert f"{shop} was read as utf-16\n" in output


FOREIGN = """uniq_id,product_name,category_tree,gender
1,boot,"[""Clothing >> Women's >> Shoes""]",Women
2,belt,"Clothing > Men > Bags, Wallets & Belts",Men
3,lamp,Home > Light,
,,,
4,shirt,Clothing > Women > Shirts,"Women,Men"
5,sandal,Clothing > Women > Shoes,"Women,Men"
6,lamp of glass,Home > Light,
"""


@pytest.fixture
def foreign(tmp_path):
    path = tmp_path / "foreign.csv"
    path.write_text(FOREIGN)
    return path


def test_a_foreign_file_gets_a_mapping_that_works(foreign, tmp_path):
    _, _, error = call("check", foreign)
    suggested = [line.strip().removeprefix("--column ") for line in str(error).splitlines()[2:]]

    assert suggested[:3] == ["product_id=uniq_id", "title=product_name", 'class=category_tree:">"']
    options = [part for each in suggested for part in ("--column", each.replace('"', ""))]
    code, output, _ = call("check", foreign, *options, "--base-model", write_base(tmp_path))
    assert code == 0
    assert "class_3" in output
    # Without the separator, `check` says what to give.
    code, output, _ = call(
        "check", foreign, *options[:4], "--column", "facet.class=category_tree", "--base-model", tmp_path
    )
    assert 'class holds category paths: --column class=category_tree:">"' in output


def test_look_alike_tags_are_merged_as_confirmed_and_kept(foreign, tmp_path):
    options = [
        "--column",
        "product_id=uniq_id",
        "--column",
        "class=category_tree:>",
        "--out",
        tmp_path / "renames.toml",
    ]
    arguments = ["data", "merge", *map(str, [foreign, *options])]

    done = CliRunner().invoke(app, arguments, input="y\n")
    assert "class_2:Women (2), class_2:Women's (1): read all as class_2:Women" in done.output, done.output
    again = CliRunner().invoke(app, arguments)

    assert "nothing to decide" in again.output
    columns = Columns.read(
        None, ["product_id=uniq_id", "class=category_tree:>", f"renames={tmp_path / 'renames.toml'}"]
    )
    assert "class_2:Women" in read_labelled([foreign], columns)[0].tags
    (tmp_path / "renames.toml").unlink()
    assert "--yes" in str(CliRunner().invoke(app, arguments).exception)


def test_split_leaves_bad_rows_out_and_keeps_them_in_a_file(shop, tmp_path):
    with shop.open("a") as file:
        file.write("\n201;too few\n;no id;red;shop1\n")
    out = tmp_path / "out"
    _, _, error = call("split", shop, *COLUMNS, "--out", out)
    assert "2 bad rows: fix or remove them, or leave them out with `hangtag data split --skip-bad`" in str(error)
    assert f"{shop}, line 202: has 2 cells, the header has 4" in str(error)
    assert f"{shop}, line 203: Nr is empty" in str(error)

    code, output, _ = call("split", shop, *COLUMNS, "--out", out, "--skip-bad")

    assert code == 0, output
    assert "2 bad rows were left out" in output
    refused = [json.loads(line) for line in (out / "refused.jsonl").read_text().splitlines()]
    assert [(each["line"], each["content"]) for each in refused] == [
        (202, "201;too few"),
        (203, json.dumps({"Nr": "", "Name": "no id", "Farbe": "red", "Laden": "shop1"})),
    ]
    assert json.loads((out / "split.json").read_text())["refused"] == 2
    # A split without bad rows leaves no file of an earlier one.
    shop.write_text("\n".join(shop.read_text().splitlines()[:201]))
    assert call("split", shop, *COLUMNS, "--out", out)[0] == 0
    assert not (out / "refused.jsonl").exists()

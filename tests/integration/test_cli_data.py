"""`hangtag data` from a foreign CSV to files that `hangtag train` takes."""

import json
import random

import pytest

pytest.importorskip("cleanlab", reason="cleanlab is not installed (extra train)")

from typer.testing import CliRunner

from hangtag.cli.app import app
from tests.integration.tiny_shop import write_base
from trainer.data.labelled import read_labelled


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


def test_check_says_what_is_wrong_and_fails_on_bad_rows(shop, tmp_path):
    base = write_base(tmp_path)
    code, output, _ = call("check", shop, *COLUMNS, "--base-model", base, "--json", tmp_path / "check.json")
    assert code == 0, output
    assert json.loads((tmp_path / "check.json").read_text())["rows"] == 200

    with shop.open("a") as file:
        file.write("\n201;too few")
    code, output, _ = call("check", shop, *COLUMNS, "--base-model", base)

    assert code == 1
    assert "shop.csv" in output
    assert "202" in output


def test_split_writes_files_that_training_reads(shop, tmp_path):
    code, output, _ = call("split", shop, *COLUMNS, "--out", tmp_path / "out", "--disjoint", "Laden")

    assert code == 0, output
    parts = [read_labelled([tmp_path / "out" / f"{name}.jsonl"]) for name in ("train", "validation")]
    assert sum(map(len, parts)) == 200
    assert {tag for part in parts for product in part for tag in product.tags} == {
        "color:red",
        "color:blue",
        "color:green",
    }


def test_noise_ranks_the_flipped_label_first_and_shows_no_text(shop, tmp_path):
    text = shop.read_text().splitlines()
    number, name, color, its_shop = text[50].split(";")
    other = "blue" if color != "blue" else "red"
    text[50] = f"{number};{name};{other};{its_shop}"
    shop.write_text("\n".join(text))

    code, output, _ = call("noise", shop, *COLUMNS, "--folds", "3", "--json", tmp_path / "noise.json")
    first = json.loads((tmp_path / "noise.json").read_text())["suspicions"][0]

    assert code == 0, output
    assert (first["line"], first["given"], first["suggested"]) == (51, f"color:{other}", f"color:{color}")
    assert "word" not in output


def test_wrong_use_is_one_line(shop, tmp_path):
    _, _, error = call("check", shop)
    assert "map them with --column" in str(error)
    _, _, error = call("noise", tmp_path / "none.csv")
    assert "no such file" in str(error)
    code, *_ = call("split", shop, *COLUMNS, "--out", tmp_path, "--validation", "0.6", "--test", "0.5")
    assert code == 2

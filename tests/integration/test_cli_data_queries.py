"""`hangtag data queries`: from a log of queries and chosen products to files for training and evaluation."""

import json
from pathlib import Path

import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra train)")

from click.testing import Result
from typer.testing import CliRunner

from hangtag.cli.app import app
from hangtag.cli.errors import CommandError
from hangtag.trainer.data.judged import read_judged
from hangtag.trainer.data.labelled import LabelledProduct, read_labelled

PRODUCTS = {
    "1": ["class:shoes", "color:red"],
    "2": ["class:shoes", "color:black"],
    "3": ["class:boots", "color:black"],
    "4": ["class:lamps"],
}


@pytest.fixture
def products(tmp_path: Path) -> Path:
    rows = [
        {"product_id": each, "title": f"product {each}", "facets": ["class", "color"], "tags": tags}
        for each, tags in PRODUCTS.items()
    ]
    path = tmp_path / "shop.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return path


def log_of(tmp_path: Path, *rows: tuple[str, str, object]) -> Path:
    path = tmp_path / "clicks.csv"
    lines = [f"{query},{product},{count}" for query, product, count in rows]
    path.write_text("\n".join(["query,product_id,count", *lines]), "utf-8")
    return path


def call(tmp_path: Path, log: Path, *options: object) -> tuple[Result, dict[str, LabelledProduct]]:
    out = tmp_path / "queries.jsonl"
    arguments = ["data", "queries", log, "--products", tmp_path / "shop.jsonl", "--out", out, *options]
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    found = read_labelled([out]) if out.exists() else []
    return done, {product.title: product for product in found}


def test_a_query_gets_the_tags_that_its_choices_agree_on(tmp_path, products):
    log = log_of(tmp_path, ("Running  shoes", 1, 4), ("running shoes", 2, 5), ("reading light", 4, 2))

    done, found = call(tmp_path, log)

    assert done.exit_code == 0, done.output
    assert found["Running shoes"].tags == {"class:shoes"}
    assert found["Running shoes"].facets == {"class"}  # the colors differ
    assert found["reading light"].tags == {"class:lamps"}  # choices that agree on no color say nothing
    assert found["reading light"].facets == {"class"}


def test_attributes_are_labelled_only_where_the_query_names_them(tmp_path, products):
    log = log_of(tmp_path, ("black shoes", 2, 9), ("shoes", 2, 9))

    _, without = call(tmp_path, log)
    _, found = call(tmp_path, log, "--attribute", "color")

    assert without["shoes"].tags == {"class:shoes", "color:black"}
    assert found["shoes"].tags == {"class:shoes"}
    assert found["black shoes"].tags == {"class:shoes", "color:black"}


def test_too_few_or_different_choices_give_no_label(tmp_path, products):
    log = log_of(tmp_path, ("once", 1, 1), ("either", 1, 3), ("either", 3, 3), ("sure", 4, 3))

    done, found = call(tmp_path, log)
    _, lenient = call(tmp_path, log, "--fewest", "1", "--agreement", "0.5")

    assert set(found) == {"sure"}
    assert "2 queries got no label" in done.stderr
    assert set(lenient) == {"sure", "once", "either"}


def test_bad_rows_are_named_and_the_others_are_used(tmp_path, products):
    log = log_of(tmp_path, ("lamp", 4, 2), ("lamp", 4, "many"), ("", 4, 1), ("lamp", 4, -1), ("lamp", 99, 1))

    done, found = call(tmp_path, log)

    assert set(found) == {"lamp"}
    assert "clicks.csv, line 3: count is 'many', not a whole number" in done.stderr
    assert "clicks.csv, line 4: query is empty" in done.stderr
    assert "clicks.csv, line 5: count is -1, not above 0" in done.stderr
    assert "1 rows are of 1 products without labels: 99" in done.stderr


def test_held_out_queries_are_judged_texts_and_in_no_training_file(tmp_path, products):
    names = [f"light number {number}" for number in range(200)]
    rows = [("boots or shoes", 1, 3), ("boots or shoes", 3, 3), *((name, 4, 2) for name in names)]
    judged = tmp_path / "judged.jsonl"

    done, found = call(tmp_path, log_of(tmp_path, *rows), "--held-out", judged, "--share", "0.5")

    held_out = {text.text: text for text in read_judged(judged)}
    assert done.exit_code == 0, done.output
    assert not set(held_out) & set(found)
    assert {*held_out, *found} >= set(names)
    assert min(len(held_out), len(found)) > 50
    assert held_out.popitem()[1].acceptable["class"]


def test_several_values_that_people_chose_are_acceptable(tmp_path, products):
    rows = [("boots or shoes", 1, 30), ("boots or shoes", 3, 30), ("boots or shoes", 4, 1)]
    rows += [(f"lamp {number}", 4, 2) for number in range(40)]
    judged = tmp_path / "judged.jsonl"

    call(tmp_path, log_of(tmp_path, *rows), "--held-out", judged, "--share", "0.9", "--attribute", "color")

    found = {text.text: text.acceptable for text in read_judged(judged)}
    assert found["boots or shoes"] == {"class": ("boots", "shoes")}


def test_a_log_without_a_label_is_an_error_that_says_what_to_do(tmp_path, products):
    done, _ = call(tmp_path, log_of(tmp_path, ("lamp", 4, 1)))

    assert isinstance(done.exception, CommandError)
    assert "--fewest" in str(done.exception)
    assert not (tmp_path / "queries.jsonl").exists()


def test_other_columns_can_be_named(tmp_path, products):
    log = tmp_path / "questions.jsonl"
    rows = [{"question": "does it dim?", "about": "4"}] * 2
    log.write_text("\n".join(map(json.dumps, rows)), "utf-8")

    _, found = call(tmp_path, log, "--query-column", "question", "--product-column", "about")

    assert found["does it dim?"].tags == {"class:lamps"}

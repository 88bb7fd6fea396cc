"""The page of a real small run's mistakes: complete, filtered, exported, and with escaped texts."""

import csv
import json
import re

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra train)")

from typer.testing import CliRunner

from hangtag.cli.app import app
from hangtag.tags.tag import value_of
from hangtag.trainer.data.verdicts import read_verdicts
from hangtag.trainer.judging.slices import SliceBy
from hangtag.trainer.mistakes.case import CaseKind
from hangtag.trainer.mistakes.review import review
from hangtag.trainer.mistakes.selection import Selection, SelectionError
from hangtag.trainer.running.train import train
from tests.integration.tiny_shop import recipe, write_base, write_data

# The first test that uses `made` trains a model.
pytestmark = pytest.mark.timeout(120)
HOSTILE = "</script><script>alert(1)</script>"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    base = write_base(tmp_path_factory.mktemp("base"))
    data = write_data(tmp_path_factory.mktemp("data"))
    # A text without a color is certainly a mistake for two of three labels.
    hostile = [
        {
            "product_id": f"evil-{color}",
            "title": HOSTILE,
            "facets": ["color"],
            "tags": [f"color:{color}"],
            "shop": "Évil",
        }
        for color in ("red", "blue", "green")
    ]
    with (data / "validation.jsonl").open("a") as file:
        file.write("".join("\n" + json.dumps(line) for line in hostile))
    run = tmp_path_factory.mktemp("run")
    train(recipe(base, epochs=1), data, run, run / "bundle")
    return run, data, review(run, data, Selection())


def test_every_case_contradicts_the_labels_or_is_not_auto(made):
    *_, found = made

    for case in found.cases:
        wrong = set(case.predicted) - set(case.labels)
        if case.kind is CaseKind.DOUBT:
            assert not wrong
            assert case.band.value != "AUTO"
        elif case.kind is CaseKind.MISSING:
            assert set(case.labels) - set(case.predicted)
        else:
            assert wrong
            assert (case.band.value == "AUTO") is (case.kind is CaseKind.WRONG_AUTO)
    assert sum(case.product.title == HOSTILE and case.kind is not CaseKind.DOUBT for case in found.cases) >= 2


def test_cases_and_right_answers_are_all_products(made):
    """A product whose labels are not exactly what is predicted is a case of its facet, and the others are none."""
    *_, found = made
    mistakes = {(case.facet, case.row) for case in found.cases if case.kind is not CaseKind.DOUBT}

    for part in found.slices[SliceBy.LENGTH]:
        assert part.low <= part.share <= part.high
    for facet in {part.facet for part in found.slices[SliceBy.LENGTH]}:
        parts = [part for part in found.slices[SliceBy.LENGTH] if part.facet == facet]
        wrong = sum(part.products - part.right for part in parts)
        assert wrong == sum(its_facet == facet for its_facet, _ in mistakes)


def test_the_bundle_and_its_card_have_the_worst_slices(made):
    run, _data, found = made
    worst = [each.to_json() for each in found.slices[SliceBy.LENGTH][:5]]
    card = (run / "model-card.md").read_text(encoding="utf-8")

    assert found.gathered.bundle.manifest.metrics["slices"]["length"] == worst
    for each in worst:
        assert f"| length | {each['name']} | {each['facet']} | {each['products']} | {100 * each['share']:.1f} |" in card


def test_neighbours_are_labelled_training_products_with_similar_texts(made):
    _, data, found = made
    lines = (data / "train.jsonl").read_text().splitlines()
    known = {row["product_id"]: row for row in map(json.loads, filter(None, lines))}
    near = [(case, each) for case in found.cases for each in case.neighbours]

    assert near
    for case, each in near:
        assert case.facet in known[each.product_id]["facets"]
        assert 0 < each.similarity <= 1.0001


def test_the_page_embeds_hostile_texts_without_running_them(made, tmp_path):
    *_, found = made
    found.write(tmp_path / "errors.html", with_texts=True)
    html = (tmp_path / "errors.html").read_text()
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)[1])

    assert HOSTILE not in html
    assert HOSTILE in {product["title"] for product in data["products"]}
    assert len(data["cases"]) == len(found.cases)


def test_a_page_without_texts_has_none(made, tmp_path):
    *_, found = made
    found.write(tmp_path / "errors.html", with_texts=False)

    html = (tmp_path / "errors.html").read_text()
    titles = {case.product.title for case in found.cases}
    assert "evil-red" in html
    assert not [title for title in titles if title in html or json.dumps(title) in html]


def test_the_command_selects_and_exports(made, tmp_path):
    run, data, _ = made
    out, table = tmp_path / "page.html", tmp_path / "doubts.csv"
    chosen = ["--facet", "color", "--shop", "Évil"]
    result = CliRunner().invoke(
        app, ["errors", str(run), "--data", str(data), "--out", str(out), "--export", str(table), "--json", *chosen]
    )

    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))
    cases = json.loads(result.stdout)["cases"]
    assert [row["product_id"] for row in rows] == [case["product_id"] for case in cases]
    assert rows
    assert {row["shop"] for row in rows} == {"Évil"}
    assert {row["facet"] for row in rows} == {"color"}
    assert out.is_file()
    # What a person fills in is read as a verdict.
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(row | {"verdict": row["labels"] or "none"} for row in rows)
    assert [(each.product_id, each.facet) for each in read_verdicts(table)] == [
        (row["product_id"], row["facet"]) for row in rows
    ]


def test_tasks_for_label_studio_have_the_text_and_the_prediction(made, tmp_path):
    run, data, _ = made
    tasks = tmp_path / "tasks.json"
    result = CliRunner().invoke(
        app,
        [
            "errors",
            str(run),
            "--data",
            str(data),
            "--export",
            str(tasks),
            "--by",
            "length",
            "--out",
            str(tmp_path / "p"),
        ],
    )

    assert result.exit_code == 0, result.output
    assert "words" in result.stdout
    annotated = json.loads(tasks.read_text())
    for task in annotated:
        assert set(task["data"]) >= {"title", "product_id", "facet", "labels"}
        (prediction,) = task["predictions"]
        choices = prediction["result"][0]["value"]["choices"]
        assert choices
        assert set(choices) <= {each["value"] for each in task["data"]["choices"]}
        task["annotations"] = [{"was_cancelled": False, "result": prediction["result"]}]
    tasks.write_text(json.dumps(annotated))
    assert [sorted(value_of(tag) for tag in each.tags) for each in read_verdicts(tasks)] == [
        sorted(task["predictions"][0]["result"][0]["value"]["choices"]) for task in annotated
    ]


def test_a_selection_of_nothing_says_what_there_is(made):
    run, data, _ = made

    with pytest.raises(SelectionError, match="no case has the facet colour; there are: color"):
        review(run, data, Selection(facets=frozenset({"colour"})))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--export", "doubts.xlsx"], "name a file that ends in"),
        (["--pair", "class:boots"], "write the label and the tag predicted"),
    ],
)
def test_wrong_arguments_are_refused_before_the_work(tmp_path, arguments, message):
    result = CliRunner().invoke(app, ["errors", str(tmp_path), *arguments])

    assert result.exit_code != 0
    assert message in result.output + str(result.exception)

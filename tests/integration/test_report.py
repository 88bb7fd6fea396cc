"""The report of a real small run: complete, self-contained, and with escaped texts."""

import json
import re
from html.parser import HTMLParser

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra train)")
pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra train)")

from typer.testing import CliRunner

from hangtag.bundle import load_bundle
from hangtag.cli.app import app
from hangtag.tags.reach import can_be_auto
from hangtag.tags.tag import facet_of
from hangtag.text.kind import TextKind
from hangtag.trainer.recipe.recipe import RecipeError
from hangtag.trainer.reporting.report import write_report
from hangtag.trainer.running.train import train
from tests.integration.tiny_shop import COLORS, FEATURES, recipe, write_base, write_data

# Most tests train a model, and the first one that uses `made` trains that too.
pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    base = write_base(tmp_path_factory.mktemp("base"))
    data = write_data(tmp_path_factory.mktemp("data"))
    # A title without a color is certainly a mistake, and would be executed if it were not escaped.
    hostile = {"product_id": "evil", "title": "<script>alert(1)</script>", "facets": ["color"], "tags": ["color:blue"]}
    hostile = [
        hostile | {"product_id": f"evil-{color}", "tags": [f"color:{color}"]} for color in ("red", "blue", "green")
    ]
    with (data / "validation.jsonl").open("a") as file:
        file.write("".join("\n" + json.dumps(line) for line in hostile))
    run = tmp_path_factory.mktemp("run")
    train(recipe(base, epochs=3), data, run, run / "bundle")
    report = write_report(run, data)
    return run, data, report, report.path.read_text()


class Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.scripts = 0
        self.feed(html)

    def handle_starttag(self, tag, attrs) -> None:
        self.scripts += tag == "script" and "application/json" not in dict(attrs).values()
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "xlink:href"}]


def test_the_page_is_self_contained(made):
    *_, html = made

    assert all(link.startswith("#") for link in Page(html).links)
    assert not re.search(r"url\(\s*['\"]?(?!#)|@import", html)
    assert len(html.encode()) < 3_000_000


def test_texts_of_products_are_escaped(made):
    *_, html = made

    assert "&lt;script&gt;alert(1)" in html
    assert Page(html).scripts == 1


def test_figures_are_those_of_the_evaluation(made):
    run, _data, report, html = made
    score = json.loads((run / "outcome.json").read_text())["evaluation"]["facets"]["color"]
    figures = report.to_json()["facets"]["color"]

    assert figures["f1"] == pytest.approx(score["weighted_f1"])
    assert f"{100 * score['weighted_f1']:.1f}" in html
    assert figures["products"] == score["support"] == 63
    # Any trained model is better than always predicting the most common tag.
    assert len(figures["baselines"]) == 3
    assert min(figures["baselines"].values()) < figures["f1"]


def test_every_section_is_there(made):
    *_, html = made

    assert html.count("<svg") >= 5
    assert re.search(r"on unseen products [\d.]+ % \([\d.]+ % before calibration\)", html)
    for word in ("Training", "aseline", "alibration", "AUTO", "mistake", "cost", ">red<", ">cat<"):
        assert word.lower() in html.lower(), word


def test_the_page_says_what_the_promise_rests_on(made):
    run, *_, html = made
    promise = json.loads((run / "bundle" / "manifest.json").read_text())["metrics"]["promise"]

    assert promise["standings"].keys() == {f"color:{each}" for each in COLORS} | {f"theme:{each}" for each in FEATURES}
    for standing in ("own promise", "shared promise", "never seen in validation"):
        assert f'<th class="n">{standing}</th>' in html
    assert "By the number of validation products of a tag" in html
    for standing in promise["standings"].values():
        assert f"<td>{standing['standing']}" in html
    assert re.search(r"more products for a (shared promise|promise of its own)|wrong too often", html)


def test_other_promises_are_what_the_code_of_thresholds_makes_of_them(made):
    """At the bundle's own promise they are the bundle's thresholds; a higher promise makes no more tags AUTO."""
    run, _data, report, html = made
    bundle = load_bundle(run / "bundle")
    own, unseen = (bundle.manifest.metrics[name] for name in ("promise", "cross_fitted"))
    own = own["precision"]
    reachable = can_be_auto(bundle.schema, bundle.thresholds.entry(TextKind.PRODUCT))
    embedded = re.search(r'<script type="application/json" id="trade-off-data">(.*?)</script>', html, re.DOTALL)[1]
    facets = {name: figures["promises"] for name, figures in report.to_json()["facets"].items()}

    assert json.loads(embedded) == json.loads(json.dumps(facets))
    assert facets.keys() == {"color", "theme"}
    for name, steps in facets.items():
        (step,) = (each for each in steps if each["promise"] == own)
        cuts = [bundle.thresholds.entry(TextKind.PRODUCT).tags[tag].auto for tag in reachable if facet_of(tag) == name]
        assert (step["lowest"], step["highest"]) == (min(cuts, default=None), max(cuts, default=None))
        assert (step["auto"], step["products"]) == (len(cuts), unseen[name]["products"])
        if cuts:
            assert [step[each] for each in ("covered", "tags", "wrong")] == [
                unseen[name][each] for each in ("covered", "tags", "wrong")
            ]
        assert [each["promise"] for each in steps] == sorted(each["promise"] for each in steps)
        assert [each["auto"] for each in steps] == sorted((each["auto"] for each in steps), reverse=True)
        for each in steps:
            assert each["bound"] <= (each["tags"] - each["wrong"]) / max(1, each["tags"])
    assert facets["color"][0]["auto"] > facets["color"][-1]["auto"]


def test_a_page_without_texts_lists_mistakes_by_id(made, tmp_path):
    run, data, report, html = made
    write_report(run, data, tmp_path / "r.html", with_baselines=False, with_texts=False)
    page = (tmp_path / "r.html").read_text(encoding="utf-8")

    mistakes = [mistake for each in report.findings for mistake in each.mistakes]
    assert all(mistake.product.product_id in page for mistake in mistakes)
    assert "alert(1)" in html
    assert "alert(1)" not in page


def test_the_command_writes_the_page_and_reports_a_missing_run(made, tmp_path):
    run, data, *_ = made
    done = CliRunner().invoke(
        app, ["report", str(run), "--data", str(data), "--out", str(tmp_path / "r.html"), "--no-baselines", "--json"]
    )
    assert done.exit_code == 0, done.output
    assert (tmp_path / "r.html").is_file()
    assert json.loads(done.stdout)["facets"]["theme"]["baselines"] == {}

    failed = CliRunner().invoke(app, ["report", str(tmp_path / "none")])
    assert "holds no run" in str(failed.exception)
    with pytest.raises(RecipeError, match="no run"):
        write_report(tmp_path, data)


def test_a_facet_with_one_tag_has_baselines(made, tmp_path):
    _, data, *_ = made
    for name in ("train.jsonl", "validation.jsonl"):
        rows = [json.loads(line) for line in (data / name).read_text().splitlines()]
        labels = [{"facets": ["edible"], "tags": ["edible:yes"] if "food" in row["title"] else []} for row in rows]
        (tmp_path / name).write_text("\n".join(json.dumps(row | its) for row, its in zip(rows, labels, strict=True)))
    train(recipe(write_base(tmp_path / "base"), epochs=1), tmp_path, tmp_path / "run", tmp_path / "bundle")

    baselines = write_report(tmp_path / "run", tmp_path).to_json()["facets"]["edible"]["baselines"]

    assert len(baselines) == 3
    # A single word determines the tag.
    assert baselines["TF-IDF + linear"] > 0.95


def test_a_damaged_cache_of_baselines_is_ignored(made, tmp_path):
    run, data, report, _ = made
    kept = (run / "baselines.json").read_text()

    (run / "baselines.json").write_text(kept[: len(kept) // 2])

    assert write_report(run, data, tmp_path / "r.html").to_json()["facets"] == report.to_json()["facets"]
    assert json.loads((run / "baselines.json").read_text()).keys() == {"key", "baselines"}


def test_a_facet_whose_tags_are_all_blocked_has_no_predictions(made, tmp_path):
    _, data, *_ = made
    blocked = ["color:red", "color:blue", "color:green"]
    train(recipe(write_base(tmp_path / "base"), epochs=1, blocked=blocked), data, tmp_path / "run", tmp_path / "bundle")

    report = write_report(tmp_path / "run", data, with_baselines=False)

    assert report.to_json()["facets"]["color"]["f1"] == 0
    assert "No tags can be predicted, because all of them are blocked" in report.path.read_text(encoding="utf-8")

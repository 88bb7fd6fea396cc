"""A category left out: trained once more without it, asked about it, kept, and in the report."""

import json

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra train)")
pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra train)")

from typer.testing import CliRunner

from hangtag.cli.app import app
from hangtag.trainer.choosing.leaving_out import leave_out
from hangtag.trainer.files.run_folder import RunFolder
from hangtag.trainer.recipe.recipe import RecipeError
from hangtag.trainer.running.train import Watcher, train
from tests.integration.tiny_shop import recipe, write_base, write_data

# The first test that uses `made` trains a model.
pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    base, data, run = (tmp_path_factory.mktemp(name) for name in ("base", "data", "run"))
    train(recipe(write_base(base), epochs=2), write_data(data), run, run / "bundle")
    return run, data


def test_products_of_a_tag_without_examples_never_get_it_and_are_counted_once(made):
    run, data = made
    epochs = []
    found = leave_out(run, data, "color:blue", Watcher(epoch=epochs.append))
    lines = [
        json.loads(line)
        for name in ("train", "validation")
        for line in (data / f"{name}.jsonl").read_text().split("\n")
    ]
    blue = [line for line in lines if "color:blue" in line["tags"]]
    its = {each.facet: each for each in found.facets}

    assert len(epochs) == 2
    assert its["color"].products == len(blue)
    assert its["theme"].products == sum("theme" in line["facets"] for line in blue)
    assert found.trained == sum(
        "color:blue" not in json.loads(each)["tags"] for each in (data / "train.jsonl").read_text().split("\n")
    )
    for each in (*found.facets, *found.others):
        assert each.products == each.auto_wrong + each.auto_right + each.review + each.nothing
        assert each.review_right <= each.review
    # Nothing in training says what blue looks like.
    assert its["color"].auto_right == its["color"].review_right == 0
    assert {each.tag for each in found.instead} <= {"color:red", "color:green"}
    others = {each.facet: each for each in found.others}
    assert others["color"].review_right + others["color"].auto_right > 0

    epochs.clear()
    assert leave_out(run, data, "color:blue", Watcher(epoch=epochs.append)) == found
    assert epochs == []
    kept = [path.name for path in (run / "left-out").rglob("*") if path.suffix == ".safetensors"]
    assert kept == []


def test_the_commands_show_what_was_found(made, tmp_path):
    run, data = made
    expected = leave_out(run, data, "color:blue").model_dump(mode="json")
    done = CliRunner().invoke(app, ["leave-out", str(run), "color:blue", "--data", str(data), "--json"])
    table = CliRunner().invoke(app, ["leave-out", str(run), "color:blue", "--data", str(data)])
    arguments = ["--data", str(data), "--out", str(tmp_path / "r.html"), "--no-baselines", "--json"]
    report = CliRunner().invoke(app, ["report", str(run), *arguments])

    assert done.exit_code == table.exit_code == report.exit_code == 0, (done.output, table.output, report.output)
    assert json.loads(done.stdout) == json.loads(report.stdout)["left_out"] == [expected]
    assert "color:blue left out" in table.stdout
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert '<td class="first">color:blue</td>' in page


def test_a_tag_that_cannot_be_left_out_is_refused(made, tmp_path):
    run, data = made
    with pytest.raises(RecipeError, match="no training product has color:bleu; did you mean color:blue"):
        leave_out(run, data, "color:bleu")
    with pytest.raises(RecipeError, match="no run"):
        leave_out(tmp_path, data, "color:blue")

    settings = RunFolder(run).recipe().model_copy(update={"start_from": str(run)})
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "recipe.json").write_text(settings.model_dump_json())
    with pytest.raises(RecipeError, match="has start_from, which may know the products that are left out"):
        leave_out(tmp_path / "other", data, "color:blue")

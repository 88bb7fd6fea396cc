"""Learning curves: nested parts, kept points, and the prediction."""

import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra train)")

from typer.testing import CliRunner

from hangtag.cli.app import app
from hangtag.trainer.choosing.curve import gain_of, learning_curve
from hangtag.trainer.recipe.recipe import RecipeError
from tests.integration.tiny_shop import recipe, write_base, write_data

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return write_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


def test_a_curve_is_continued_and_its_points_are_kept(base, data, tmp_path):
    trained = []
    shop = recipe(base, epochs=1)
    first = learning_curve(shop, data, tmp_path, [0.5], on_epoch=lambda share, _: trained.append(share))
    second = learning_curve(shop, data, tmp_path, [0.5, 0.25, 1], on_epoch=lambda share, _: trained.append(share))

    assert trained == [0.5, 0.25, 1]
    assert second.points[1] == first.points[0]
    assert [point.share for point in second.points] == [0.25, 0.5, 1]
    sizes = [point.products for point in second.points]
    assert sizes == sorted(sizes)
    assert second.gain is not None
    assert second.gain.products == 2 * sizes[-1]
    assert json.loads((tmp_path / "curve.json").read_text()) == json.loads(json.dumps(second.to_json()))
    assert not list(tmp_path.rglob("*.safetensors"))


def test_another_recipe_in_the_same_folder_is_refused(base, data, tmp_path):
    learning_curve(recipe(base, epochs=1), data, tmp_path, [0.25])

    with pytest.raises(RecipeError, match="with another recipe"):
        learning_curve(recipe(base, epochs=2), data, tmp_path, [0.25])


def test_the_command_prints_points_and_prediction(base, data, tmp_path):
    file = tmp_path / "recipe.json"
    file.write_text(recipe(base, epochs=1).model_dump_json())
    shares = [option for share in (0.25, 0.5, 1) for option in ("--share", str(share))]
    done = CliRunner().invoke(
        app, ["curve", "--recipe", str(file), "--data", str(data), "--study", str(tmp_path / "study"), *shares]
    )

    assert done.exit_code == 0, done.output
    assert "(predicted)" in done.stdout
    assert "color" in done.stdout


@pytest.mark.parametrize("shares", [[], [0.0], [1.5]])
def test_impossible_shares_are_refused(base, data, tmp_path, shares):
    with pytest.raises(RecipeError, match="shares"):
        learning_curve(recipe(base, epochs=1), data, tmp_path, shares)


def test_a_power_law_is_continued_exactly():
    sizes = [100, 200, 400, 800]
    scores = [1 - 2 * size**-0.4 for size in sizes]

    gain = gain_of(sizes, scores)

    assert gain.products == 1600
    np.testing.assert_allclose([gain.score, gain.low, gain.high], 1 - 2 * 1600**-0.4)


def test_a_curve_that_falls_predicts_no_gain():
    assert gain_of([100, 200, 400], [0.9, 0.85, 0.8]).score == 0.8

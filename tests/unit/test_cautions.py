"""Data on which every figure is too good, or no promise can be made, is named before training."""

import json

import pytest

pytest.importorskip("torch", reason="torch is not installed (extra train)")

from typer.testing import CliRunner

from hangtag.cli.app import app
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.data.schema_of import schema_of
from hangtag.trainer.judging.cautions import cautions_of
from hangtag.trainer.judging.known_labels import known_labels
from hangtag.trainer.recipe.recipe import Recipe
from tests.bundles import tiny_schema
from tests.integration.tiny_shop import write_base

RECIPE = Recipe.model_validate({"sources": [{"train": ["x"]}]})


def product(title: str, *tags: str, facets: tuple[str, ...] = (), key: str = "p") -> LabelledProduct:
    named = {tag.split(":")[0] for tag in tags} | set(facets)
    return LabelledProduct(key, title, "", "", frozenset(named), frozenset(tags))


def products(name: str, count: int) -> list[LabelledProduct]:
    return [product(f"{name} {at}", f"color:{('red', 'blue')[at % 2]}") for at in range(count)]


def found(training, validation, recipe=RECIPE, calibration=None):
    schema = schema_of(recipe, training)
    return cautions_of(training, validation, validation if calibration is None else calibration, schema, recipe)


def test_good_data_has_no_cautions():
    assert found(products("old", 200), products("new", 100)) == []


@pytest.mark.parametrize(("copies", "is_grave"), [(1, False), (40, True)])
def test_copied_texts_are_grave_if_there_are_many(copies, is_grave):
    training = products("old", 200)
    copied = [product(each.title.upper(), *each.tags) for each in training[:copies]]

    (caution,) = found(training, [*products("new", 100), *copied])

    assert caution.text.startswith(f"{copies} of {100 + copies} validation products")
    assert caution.is_grave == is_grave


@pytest.mark.parametrize(("count", "is_grave"), [(1, False), (10, True)])
def test_contradictions_are_named_by_facet_and_product(count, is_grave):
    contrary = [product(f"old {at}", f"color:{('blue', 'red')[at % 2]}", key=f"other {at}") for at in range(count)]

    (caution,) = found([*products("old", 200), *contrary], products("new", 100))

    assert caution.text.startswith(f"color: {2 * count} of {300 + count} products")
    assert "'p' and 'other 0'" in caution.text
    assert caution.is_grave == is_grave


def test_a_facet_with_one_value_says_nothing():
    def labelled(name, having):
        return [
            product(
                f"{name} {at}",
                f"color:{('red', 'blue')[at % 2]}",
                *(["new:yes"] if at in having else []),
                facets=("new",),
            )
            for at in range(100)
        ]

    (always,) = found(labelled("old", range(100)), labelled("new", range(100)))

    assert always.is_grave
    assert always.text.startswith("new has one value, yes")
    # It is a prediction if some products do not have the value.
    assert found(labelled("old", range(70)), labelled("new", range(70))) == []


def test_promises_that_are_out_of_reach_are_grave_if_no_facet_has_any():
    few = products("new", 58)
    sizes = [product(f"size {at}", "size:s", "size:l" if at % 2 else "size:m") for at in range(100)]

    (none,) = found(products("old", 200), few)
    (some,) = found([*products("old", 200), *sizes], [*few, *sizes[:59]][::-1])[1:]
    (apart,) = found(products("old", 200), products("new", 100), calibration=products("other", 20))

    assert none.is_grave
    assert "color (at most 58)" in none.text
    # Tags of a multi facet share no promise, but each product has size:s here.
    assert not some.is_grave
    assert some.text.startswith("no tag of color can be AUTO")
    assert apart.is_grave


def test_the_command_refuses_before_it_loads_a_model_and_trains_anyway(tmp_path):
    def write(name, rows):
        lines = ({"product_id": "p", "title": each.title, "facets": ["color"], "tags": [*each.tags]} for each in rows)
        (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
        return str(tmp_path / name)

    train, validation = write("train.jsonl", products("old", 80)), write("validation.jsonl", products("old", 80))
    base = str(write_base(tmp_path / "base"))
    command = ["train", train, "--validation", validation, "--run", str(tmp_path / "run"), "--base-model", base]

    refused = CliRunner().invoke(app, command)
    assert not (tmp_path / "run" / "recipe.json").exists()
    went_on = CliRunner().invoke(app, [*command, "--anyway"])

    assert "80 of 80 validation products (100.00%) have the text of a training product" in refused.output
    assert "train all the same with --anyway" in str(refused.exception)
    assert "80 of 80 validation products" in went_on.output
    # It went on to the model, which is too small for the default length.
    assert "max_tokens 128 is larger than the 64 positions" in str(went_on.exception)


def test_unknown_labels_are_taken_out_and_counted():
    rows = [
        product("a", "color:teal", "segment:games"),
        product("b", "color:red", "genre:rpg", "genre:horror"),
        product("c", "smell:fresh", facets=("genre",)),
    ]

    known = known_labels(rows, tiny_schema())

    assert (known.tags, known.facets) == ({"color:teal": 1, "genre:horror": 1}, {"smell": 1})
    assert [sorted(each.facets) for each in known.products] == [["segment"], ["color", "genre"], ["genre"]]
    assert [sorted(each.tags) for each in known.products] == [["segment:games"], ["color:red", "genre:rpg"], []]

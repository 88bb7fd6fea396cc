"""`hangtag evaluate --trained-on`: figures of shops that training saw and of new ones."""

import json
from pathlib import Path

import click
import pytest
from typer.testing import CliRunner

pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra train)")

from hangtag.cli.app import app
from hangtag.settings import ModelSettings
from hangtag.tagger.tagger import Tagger, open_tagger
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.judging.by_shop import by_shop
from hangtag.trainer.judging.evaluate import EvaluationError, evaluate_logits, logits_of

SEGMENTS = {"black leather boots": "footwear", "acoustic guitar with case": "music", "dog leash": "pet care/food"}


@pytest.fixture(scope="module")
def tagger() -> Tagger:
    return open_tagger(ModelSettings(bundle="starter", engine="cpu"))


def product(title: str, segment: str, shop: str) -> LabelledProduct:
    return LabelledProduct(title, title, "", "", frozenset({"segment"}), frozenset({f"segment:{segment}"}), shop)


# The first shop is right, the second is labelled wrong throughout.
RIGHT = [product(title, segment, "shop-a") for title, segment in SEGMENTS.items()]
WRONG = [product(title, "automotive", "shop-b") for title in SEGMENTS]
WITHOUT = [product("dog leash", "pet care/food", "")]


def test_products_are_divided_by_whether_training_saw_their_shop(tagger):
    products = [*WRONG, *RIGHT, *WITHOUT]

    found = by_shop(tagger, products, logits_of(tagger, products), {"shop-a", "shop-z"})

    assert found.products == {"seen": 3, "new": 3}
    assert found.without_shop == 1
    assert found.seen == evaluate_logits(tagger, RIGHT, logits_of(tagger, RIGHT))
    assert found.new is not None
    assert found.new.facets["segment"].weighted_f1 == 0
    assert [(shop.shop, shop.is_new, shop.products, shop.mistakes) for shop in found.shops] == [
        ("shop-b", True, 3, 3),
        ("shop-a", False, 3, 0),
    ]
    right, wrong = found.shops[1], found.shops[0]
    assert right.auto == right.auto_right == wrong.auto > wrong.auto_right == 0


def test_where_all_shops_are_new_there_are_no_figures_of_seen_ones(tagger):
    found = by_shop(tagger, RIGHT, logits_of(tagger, RIGHT), ())

    assert found.seen is None
    assert found.to_json()["seen"] is None
    assert found.to_json()["new"]["segment"]["support"] == 3


def test_without_shops_the_error_says_what_is_missing(tagger):
    with pytest.raises(EvaluationError, match="--shops"):
        by_shop(tagger, WITHOUT, logits_of(tagger, WITHOUT), ())


def row(each: LabelledProduct, number: int) -> str:
    fields = {"product_id": str(number), "title": each.title, "facets": ["segment"], "tags": sorted(each.tags)}
    return json.dumps(fields)


def test_the_command_reads_shops_from_a_file_of_their_own(tmp_path: Path):
    products = [*RIGHT, *WRONG]
    file, trained, shops = (tmp_path / name for name in ("validation.jsonl", "train.jsonl", "shops.csv"))
    file.write_text("\n".join(row(each, number) for number, each in enumerate(products)), "utf-8")
    trained.write_text(row(RIGHT[0], 0), "utf-8")
    lines = [f"{number},{each.shop}" for number, each in enumerate(products)]
    shops.write_text("\n".join(["product_id,shop", *lines]), "utf-8")
    arguments = ["evaluate", file, "--bundle", "starter", "--trained-on", trained, "--shops", shops]

    printed = CliRunner().invoke(app, list(map(str, arguments)))
    as_json = json.loads(CliRunner().invoke(app, [*map(str, arguments), "--json"]).stdout)

    assert printed.exit_code == 0, printed.output
    assert "averages per facet, new shops" in printed.stdout
    assert "shop-b" in printed.stdout
    assert as_json["by_shop"]["products"] == {"seen": 3, "new": 3}


def test_shops_alone_are_wrong_usage(tmp_path: Path):
    done = CliRunner().invoke(app, ["evaluate", "a.jsonl", "--shops", str(tmp_path / "shops.csv")])

    assert done.exit_code == click.UsageError.exit_code
    assert "--trained-on" in done.stderr

"""Where tags stand: own, shared, unseen or without a promise, and how many more products would change it."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed (extra train)")

from hangtag.trainer.data.examples import examples_of
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.judging.calibration import fit_calibration
from hangtag.trainer.judging.decide import decide
from hangtag.trainer.judging.promise import min_products, more_products, promised_threshold
from hangtag.trainer.judging.standing import Obstacle, Standing, how_many_more, standings_of
from hangtag.trainer.judging.support import Support
from hangtag.trainer.recipe.recipe import Recipe
from tests.bundles import tiny_schema, tiny_tokenizer

SCHEMA = tiny_schema()
RECIPE = Recipe.model_validate({"sources": [{"train": ["x"]}]})


def predicted(count: int, wrong_share: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    right = np.ones(count, bool)
    right[rng.permutation(count)[: round(count * wrong_share)]] = False
    return rng.uniform(0.6, 1, count), right


@pytest.mark.parametrize("count", [0, 1, 20, 58])
def test_without_mistakes_the_least_number_of_products_is_missing(count):
    confidences, right = predicted(count, 0)

    assert more_products(confidences, right, 0.95, 0.95) == min_products(0.95, 0.95) - count


@pytest.mark.parametrize(("count", "wrong_share"), [(60, 0.02), (100, 0.03), (200, 0.035)])
def test_that_many_more_of_the_same_quality_have_a_promise(count, wrong_share):
    # The mistakes are evenly spread, so that the first predictions tested are as good as all.
    right = np.ones(count, bool)
    right[:: round(1 / wrong_share)] = False
    confidences = np.linspace(1, 0.6, count)
    more = more_products(confidences, right, 0.95, 0.95)

    def found(times: float):
        size = round(count * times)
        bigger = np.ones(size, bool)
        bigger[:: round(1 / wrong_share)] = False
        return promised_threshold(np.linspace(1, 0.6, size), bigger, 0.95, 0.95)

    assert more > 0
    assert found(1) is None
    assert found((count + more) / count * 1.15) is not None


def test_no_number_of_products_helps_where_too_many_are_wrong():
    assert more_products(*predicted(100, 0.2), 0.95, 0.95) is None
    assert more_products(*predicted(300, 0), 0.95, 0.95) == 0


def standings(counts: dict[str, tuple[int, int]], withheld=None, guessed=None):
    """The standings of a shop with so many products of each segment, of which so many are predicted wrong."""
    products, logits = [], []
    for tag, (count, wrong) in counts.items():
        for at in range(count):
            products.append(LabelledProduct("p", f"cat {at}", "", "", frozenset({"segment"}), frozenset({tag})))
            row = np.full(len(SCHEMA.tags), -4, np.float32)
            row[SCHEMA.index[tag]] = 4 + at / 1_000
            if at < wrong:
                row[SCHEMA.index["segment:pets" if tag != "segment:pets" else "segment:games"]] = 9 - at / 1_000
            logits.append(row)
    examples, scores = examples_of(products, SCHEMA, tiny_tokenizer()), np.stack(logits)
    decisions = decide(scores, examples, SCHEMA, fit_calibration(scores, examples, SCHEMA), RECIPE)
    support = (np.stack([each.targets for each in examples]) > 0).sum(axis=0)
    return standings_of(decisions, SCHEMA, support, RECIPE, withheld, guessed)


def test_own_shared_and_unseen():
    found = standings({"segment:clothing": (300, 0), "segment:games": (40, 0), "segment:pets": (40, 0)})

    assert found["segment:clothing"].standing is Standing.OWN
    assert how_many_more(found["segment:clothing"]) == ""
    games = found["segment:games"]
    assert (games.standing, games.products, games.more) == (Standing.SHARED, 40, 4 * 59 - 40)
    assert how_many_more(games) == "196 more products for a promise of its own"
    unseen = found["genre:rpg"]
    assert (unseen.standing, unseen.products, unseen.more) == (Standing.UNSEEN, 0, 10)


def test_tags_without_a_promise_share_what_is_missing():
    found = standings({"segment:clothing": (20, 0), "segment:games": (30, 0)})

    assert {found[tag].standing for tag in ("segment:clothing", "segment:games")} == {Standing.NONE}
    assert how_many_more(found["segment:games"]) == "9 more products for a shared promise"


def test_obstacles_are_named():
    wrong = standings({"segment:clothing": (60, 30), "segment:games": (60, 30), "segment:pets": (20, 10)})
    counts = {"segment:clothing": (300, 0), "segment:games": (30, 0)}
    at_shops = standings(counts, withheld={("segment", Support.MANY): (100, 80)})["segment:games"]
    without_words = standings(counts, guessed={"segment": (100, 50)})["segment:games"]

    assert wrong["segment:pets"].obstacle is Obstacle.MISTAKES
    assert wrong["segment:pets"].more is None
    assert "wrong too often" in how_many_more(wrong["segment:pets"])
    assert standings(counts)["segment:games"].obstacle is Obstacle.NOTHING
    assert (at_shops.obstacle, at_shops.more) == (Obstacle.SHOPS, None)
    assert "unseen shops" in how_many_more(at_shops)
    assert (without_words.obstacle, without_words.more) == (Obstacle.WORDS, None)


def test_a_promise_that_too_few_products_could_show_needs_more_of_them():
    counts = {"segment:clothing": (300, 0), "segment:games": (50, 0)}

    few = standings(counts, withheld={("segment", Support.MANY): (10, 10)})["segment:games"]
    untried = standings(counts, guessed={"segment": (0, 0)})["segment:games"]
    # Nine tenths of the products must be enough to set a threshold.
    folds = standings({"segment:clothing": (58, 0)}, withheld={("segment", Support.MANY): (0, 0)})["segment:clothing"]

    assert standings(counts)["segment:games"].more == 9
    assert (few.obstacle, few.more, few.would_share) == (Obstacle.NOTHING, 49, True)
    assert (untried.obstacle, untried.more) == (Obstacle.NOTHING, 59)
    assert (folds.more, folds.would_share) == (8, True)


def test_a_tag_with_few_products_needs_only_as_many_as_those_that_share_a_promise():
    counts = {"segment:clothing": (60, 0), "segment:games": (60, 0), "segment:pets": (4, 0)}
    withheld = {("segment", Support.FEW): (0, 0)}

    pets = standings(counts, withheld=withheld)["segment:pets"]

    assert (pets.standing, pets.products) == (Standing.NONE, 4)
    assert how_many_more(pets) == "6 more products for a shared promise"

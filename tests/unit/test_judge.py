"""Promises that must be shown: for texts that name no attribute, and for each group of tags by support."""

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed (extra train)")
pytest.importorskip("torch", reason="torch is not installed (extra train)")

from hangtag.tags.decoding import Decoder
from hangtag.tags.schema import Facet, FacetKind, TagSchema
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.trainer.data.examples import examples_of
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.judging.attributes import words_of_attributes
from hangtag.trainer.judging.judge import Judged, judge
from hangtag.trainer.judging.support import Circumstances, Support
from hangtag.trainer.recipe.recipe import Recipe, RecipeError, Source
from tests.bundles import tiny_tokenizer

RECIPE = Recipe(sources=(Source(train=("x",)),))


def alone(name: str, *values: str, **settings) -> TagSchema:
    return TagSchema(facets=(Facet(name=name, kind=FacetKind.SINGLE, values=values, **settings),))


AUDIENCE = alone("audience", "men", "women", "kids")
COLOR = alone("color", "blue", "navy", "red")


def labelled(facet: str, titles_and_values: list[tuple[str, str]], shops: list[str] | None = None):
    return [
        LabelledProduct(
            str(at), title, "", "", frozenset({facet}), frozenset({f"{facet}:{value}"}), shops[at] if shops else ""
        )
        for at, (title, value) in enumerate(titles_and_values)
    ]


def confident(schema: TagSchema, values: list[str], confidence: float = 8.0) -> np.ndarray:
    """Logits that predict a value of the schema's only facet for each row."""
    facet = schema.facets[0]
    logits = np.zeros((len(values), len(facet.values)), np.float32)
    logits[np.arange(len(values)), [facet.values.index(value) for value in values]] = confidence
    return logits


def judged(schema: TagSchema, products: list[LabelledProduct], logits: np.ndarray, scoring=None, words=None) -> Judged:
    examples = examples_of(products, schema, tiny_tokenizer())
    words = words_of_attributes(schema, products, RECIPE) if words is None else words
    return judge(logits, products, examples, schema, RECIPE, words, scoring or (lambda _texts: logits))


def served(schema: TagSchema, found: Judged, title: str, value: str) -> list[str]:
    """The AUTO tags of a title for which a value is predicted."""
    decoder = Decoder.for_products(schema, found.calibration, found.decisions.thresholds)
    named = [decoder.named(ProductText.of(title))]
    (tags,) = decoder.decode(confident(schema, [value]), [TextKind.PRODUCT], named)
    return [scored.tag for scored in tags.tags]


def always_men(texts) -> np.ndarray:
    """What a model learns where most jackets are for men: it predicts men where nothing says so, with certainty."""
    return confident(AUDIENCE, ["women" if "women" in text.first else "men" for text in texts])


def shop_of_named_products() -> list[LabelledProduct]:
    """Every text names its audience, as in most catalogues: the promise is kept on them, guess or not."""
    return labelled("audience", [("jacket for men", "men"), ("dress for women", "women")] * 150)


def test_an_attribute_without_a_word_in_the_text_is_not_auto():
    products = shop_of_named_products()

    found = judged(AUDIENCE, products, always_men([product.text for product in products]), always_men)

    assert served(AUDIENCE, found, "leather jacket for men", "men") == ["audience:men"]
    assert served(AUDIENCE, found, "leather jacket", "men") == []
    assert served(AUDIENCE, found, "leather jacket for women", "men") == []


def test_the_promise_is_measured_on_texts_whose_words_were_taken_out():
    products = shop_of_named_products()
    seen: list[str] = []

    def scoring(texts) -> np.ndarray:
        seen.extend(text.first for text in texts)
        return always_men(texts)

    found = judged(AUDIENCE, products, always_men([product.text for product in products]), scoring)

    assert set(seen) == {"jacket for", "dress for"}
    assert found.metrics(RECIPE)["promise"]["masked"] == {"audience": {"products": 300, "served": 0}}
    assert found.guessed == frozenset()


def test_an_attribute_that_is_guessed_on_such_texts_is_never_auto(monkeypatch):
    """The proof does not rest on the rule: if a decoder served these texts, the facet would lose its AUTO tags."""
    products = shop_of_named_products()
    monkeypatch.setattr(Decoder, "named", lambda *_: {TextKind.PRODUCT: frozenset(AUDIENCE.tags)})

    found = judged(AUDIENCE, products, always_men([product.text for product in products]), always_men)

    assert found.masked["audience"].served == 300
    assert found.guessed == {"audience"}
    assert served(AUDIENCE, found, "jacket for men", "men") == []


def test_a_value_beside_another_one_is_not_auto():
    products = labelled("color", [("blue coat", "blue"), ("red coat", "red"), ("navy coat", "navy")] * 100)
    values = [next(iter(product.tags)).removeprefix("color:") for product in products]

    found = judged(COLOR, products, confident(COLOR, values))

    assert served(COLOR, found, "blue wool coat", "blue") == ["color:blue"]
    assert served(COLOR, found, "navy blue wool coat", "blue") == []


def test_a_facet_that_texts_rarely_name_is_what_the_product_is():
    """Nothing in "Anna Karenina" says book, and still it is one; a facet that applies to some products is different."""
    goods = alone("goods", "book", "fruit")
    products = labelled("goods", [("a novel", "book"), ("sweet apples", "fruit")] * 100)

    assert words_of_attributes(goods, products, RECIPE) == {}
    assert set(words_of_attributes(goods, products, RECIPE.model_copy(update={"attributes": ("goods",)}))) == {
        "goods:book",
        "goods:fruit",
    }
    assert words_of_attributes(COLOR, labelled("color", [("blue coat", "blue")] * 9), RECIPE)
    no_attributes = RECIPE.model_copy(update={"attributes": ()})
    assert words_of_attributes(COLOR, labelled("color", [("blue coat", "blue")] * 9), no_attributes) == {}


def test_a_facet_that_applies_to_some_products_is_an_attribute():
    schema = TagSchema(
        facets=(
            Facet(name="segment", kind=FacetKind.SINGLE, values=("games", "wear")),
            Facet(name="genre", kind=FacetKind.MULTI, values=("action",), applies_when=("segment:games",)),
        )
    )

    assert set(words_of_attributes(schema, [], RECIPE)) == {"genre:action"}


def test_words_are_learned_where_values_are_codes():
    schema = alone("audience", "h", "d")
    titles = [(f"Hemd {at} für Herren", "h") for at in range(60)] + [(f"Kleid {at} für Damen", "d") for at in range(60)]

    words = words_of_attributes(
        schema, labelled("audience", titles), RECIPE.model_copy(update={"attributes": ("audience",)})
    )

    assert {"herren", "hemd"} <= set(words["audience:h"])
    assert "damen" in words["audience:d"]
    assert "für" not in {*words["audience:h"], *words["audience:d"]}


def test_words_of_topics_are_not_learned_where_values_are_words():
    """All saris are for women, which does not make the word a name of the audience: the value has one."""
    titles = [("sari for women", "women"), ("coat for men", "men"), ("sari", "women")] * 40
    recipe = RECIPE.model_copy(update={"attributes": ("audience",)})

    words = words_of_attributes(AUDIENCE, labelled("audience", titles), recipe)

    assert words["audience:women"] == ("women", "womens")
    assert words["audience:men"] == ("men", "mens")


def test_the_recipe_adds_words_and_is_checked():
    more = RECIPE.model_copy(update={"words": {"audience:women": ("Ladies",)}})
    products = shop_of_named_products()

    assert "ladies" in words_of_attributes(AUDIENCE, products, more)["audience:women"]
    with pytest.raises(RecipeError, match="'size'"):
        words_of_attributes(AUDIENCE, products, RECIPE.model_copy(update={"attributes": ("size",)}))
    with pytest.raises(RecipeError, match="'size:xl'"):
        words_of_attributes(AUDIENCE, products, RECIPE.model_copy(update={"words": {"size:xl": ("huge",)}}))


RARE = [f"rare {at}" for at in range(40)]


def rare_and_common(wrong_rare: int) -> tuple[TagSchema, list[LabelledProduct], np.ndarray]:
    """A facet with 3 common values, always predicted well, and 40 with 2 products each, some predicted wrongly."""
    schema = alone("kind", "a", "b", "c", *RARE, "never seen")
    values = ["a", "b", "c"] * 130 + [value for value in RARE for _ in range(2)]
    predicted = [*values]
    for at in range(wrong_rare):
        predicted[390 + 2 * at] = RARE[(at + 1) % len(RARE)]
    products = labelled("kind", [("x", value) for value in values], [f"shop {at % 20}" for at in range(len(values))])
    return schema, products, confident(schema, predicted)


def auto_values(schema: TagSchema, found: Judged) -> set[str]:
    thresholds = found.decisions.thresholds.tags
    return {value for value in schema.facets[0].values if thresholds[f"kind:{value}"].auto <= 1}


def test_common_tags_do_not_vouch_for_rare_ones():
    """12 of 80 predictions of rare tags are wrong: 458 of all 470 are right, which would be a promise for all."""
    schema, products, logits = rare_and_common(wrong_rare=12)

    found = judged(schema, products, logits, words={})

    assert auto_values(schema, found) == {"a", "b", "c"}
    assert ("kind", Support.FEW) in found.withheld
    assert ("kind", Support.MANY) not in found.withheld
    assert found.metrics(RECIPE)["promise"]["groups"]["kind"]["1 to 9"]["auto"] is False


def test_rare_tags_are_auto_where_their_own_promise_is_shown():
    schema, products, logits = rare_and_common(wrong_rare=0)

    found = judged(schema, products, logits, words={})
    few = found.metrics(RECIPE)["promise"]["groups"]["kind"]["1 to 9"]

    assert auto_values(schema, found) == {"a", "b", "c", *RARE}
    assert few == {"tags": 40, "served": 80, "wrong": 0, "auto": True}


def test_a_tag_without_products_is_auto_only_if_such_tags_are_right_in_other_shops():
    """Each of 70 values is sold in one shop alone: for all other shops it is a tag without products."""
    singles = [f"single {at}" for at in range(70)]
    schema = alone("kind", "a", *singles, "never seen")
    values = ["a"] * 200 + singles
    products = labelled("kind", [("x", value) for value in values], [f"shop {at % 27}" for at in range(len(values))])

    found = judged(schema, products, confident(schema, values), words={})
    wrong = [*values[:200], *singles[10:20], *singles[10:]]
    without = judged(schema, products, confident(schema, wrong), words={})

    assert "never seen" in auto_values(schema, found)
    assert "never seen" not in auto_values(schema, without)


def test_shops_are_held_out_together_unless_one_has_most_of_the_products():
    products = labelled("kind", [("x", "a")] * 6, ["one", "one", "two", "", "", "three"])
    shops = Circumstances.of(products, alone("kind", "a")).shops.tolist()

    assert shops[0] == shops[1]
    assert len(set(shops)) == 5
    alone_in_it = labelled("kind", [("x", "a")] * 4, ["one", "one", "one", "two"])
    assert len(set(Circumstances.of(alone_in_it, alone("kind", "a")).shops.tolist())) == 4


def test_other_shops_do_not_profit_from_a_shop_that_is_predicted_well():
    """One shop of three has most of the right predictions; thresholds from the others must hold there too."""
    schema = alone("kind", "a", "b")
    values = ["a", "b"] * 150
    shops = ["good" if at < 140 else f"bad {at % 3}" for at in range(300)]
    predicted = [value if at < 140 or at % 4 else {"a": "b", "b": "a"}[value] for at, value in enumerate(values)]

    found = judged(schema, labelled("kind", [("x", value) for value in values], shops), confident(schema, predicted))

    assert auto_values(schema, found) == set()


def test_a_promise_that_fails_on_an_unseen_shop_is_withdrawn():
    """The thresholds know that one shop's less certain predictions are wrong; for a new shop like it nothing would."""
    schema = alone("kind", "a", "b")
    values = ["a", "b"] * 300
    shops = [f"shop {at // 60}" for at in range(600)]
    wrong = np.arange(600) < 60
    logits = confident(schema, [{"a": "b", "b": "a"}[v] if bad else v for v, bad in zip(values, wrong, strict=True)])
    logits *= np.where(wrong, 0.4, np.where(np.arange(600) % 3 == 0, 0.35, 1.0))[:, None].astype(np.float32)
    products = labelled("kind", [("x", value) for value in values], shops)

    found = judged(schema, products, logits, words={})

    assert ("kind", Support.MANY) in found.withheld
    assert auto_values(schema, found) == set()

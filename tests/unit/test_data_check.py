"""The findings of `hangtag data check`, label noise, and augmentation."""

import json
import random
from pathlib import Path

import pytest

pytest.importorskip("cleanlab", reason="cleanlab is not installed (extra train)")
pytest.importorskip("torch", reason="torch is not installed (extra train)")

from hangtag.tags.schema import Facet, FacetKind, TagSchema
from hangtag.trainer.data.augment import augmented
from hangtag.trainer.data.check import CheckSettings, check
from hangtag.trainer.data.duplicates import Duplicates, Pair
from hangtag.trainer.data.label_conflicts import conflicts_of
from hangtag.trainer.data.labelled import LabelledProduct, LabelledRow, Reading, read_rows
from hangtag.trainer.data.word_swaps import swappable_values
from hangtag.trainer.judging.label_noise import find_label_noise
from hangtag.trainer.recipe.columns import Columns
from hangtag.trainer.recipe.recipe import Augmentation, RecipeError
from tests.bundles import tiny_tokenizer


def product(title: str, *tags: str, number: int = 0, description: str = "") -> LabelledProduct:
    facets = frozenset(tag.split(":")[0] for tag in tags)
    return LabelledProduct(str(number), title, description, "", facets, frozenset(tags))


def test_findings_have_files_and_lines(tmp_path):
    lines = [
        ("1", "a long red dress for a cat and a game", ["color:red"]),
        ("2", "A long red dress for a cat, and a game", ["color:blue"]),
        ("2", "a long blue dress for a cat and a game of the space", ["color:Red"]),
        ("4", "", ["color:red"]),
    ]
    products = [{"product_id": at, "title": title, "facets": ["color"], "tags": tags} for at, title, tags in lines]
    path = tmp_path / "shop.jsonl"
    path.write_text("\n".join(map(json.dumps, products)) + "\n{\n")
    reading = read_rows([path])

    found = check(reading, tiny_tokenizer()._tokenizer, CheckSettings(max_tokens=8, min_examples=2)).to_json()

    assert [each["line"] for each in found["bad_rows"]] == [5]
    assert [[each["line"] for each in group] for group in found["same_product_id"]] == [[2, 3]]
    assert [[each["line"] for each in group] for group in found["exact_duplicates"]] == [[1, 2]]
    assert [each["line"] for each in found["empty_texts"]] == [4]
    assert [(each["first"]["line"], each["second"]["line"]) for each in found["conflicts"]] == [(1, 2)]
    assert found["rare_tags"] == {"color:Red": 1, "color:blue": 1}
    assert found["look_alike_tags"] == [
        [
            {"tag": "color:Red", "escaped": "color:Red", "products": 1},
            {"tag": "color:red", "escaped": "color:red", "products": 2},
        ]
    ]
    assert found["facets"]["color"]["tags"] == {"color:red": 2, "color:blue": 1, "color:Red": 1}
    assert found["tokens"]["cut"] == 3
    assert "dress" not in json.dumps(found)


def test_each_different_label_of_equal_texts_is_reported_once():
    rows = [product("T-shirt", f"color:{at % 20}", f"size:{at // 20 % 10}", number=at) for at in range(1_000)]
    others = [product("T-shirts", f"color:{at % 5}", number=at) for at in range(1_000)]
    places = tuple(range(1_000))
    alike = Duplicates((places, tuple(at + 1_000 for at in places)), (Pair(0, 1_000, 0.9),))

    found = conflicts_of([*rows, *others], alike)

    of_facet = {facet: [each for each in found if each.facet == facet] for facet in ("color", "size")}
    assert len(of_facet["size"]) == 9
    assert {each.first for each in of_facet["size"]} == {0}
    assert [each.second for each in of_facet["size"]] == [20 * at for at in range(1, 10)]
    # Within each of the two texts, and between the first text's first label and the other text's labels.
    assert len(of_facet["color"]) == 19 + 4 + 4
    assert [(each.first, each.second) for each in of_facet["color"][-4:]] == [(0, 1_000 + at) for at in range(1, 5)]


def test_conflicts_whose_texts_name_their_own_values_are_marked_ignoring_case():
    rows = [product("a MİNİ dress", "cut:mini"), product("a Maxi dress", "cut:maxi"), product("a dress", "cut:maxi")]

    found = conflicts_of(rows, Duplicates((), (Pair(0, 1, 0.9), Pair(0, 2, 0.8))))

    assert [(each.second, each.is_named) for each in found] == [(2, False), (1, True)]


def test_many_near_duplicates_are_listed_up_to_a_limit_that_is_reported():
    path = Path("shop.jsonl")
    titles = [f"a cotton shirt with a round neck and short sleeves, washable, model {at}" for at in range(80)]
    rows = [LabelledRow(path, at, product(title, number=at), {}) for at, title in enumerate(titles, 1)]

    found = check(Reading(good=rows), tiny_tokenizer()._tokenizer, CheckSettings()).to_json()

    assert len(found["near_duplicates"]) == 50 * 49 // 2 + 30 * 50
    assert found["near_duplicates_of_a_text"] == {"at_most": 50, "texts_with_so_many": 30}


def test_flipped_labels_are_found():
    """With a tenth of the labels flipped, recall is at least 0.5 and precision at least 0.7."""
    rng = random.Random(5)
    kinds = {tag: [f"{tag}{at}x" for at in range(30)] for tag in ("red", "blue", "green", "black")}
    products, flipped = [], set()
    for number in range(600):
        kind = rng.choice(sorted(kinds))
        words = rng.choices(kinds[kind], k=3) + rng.choices([word for its in kinds.values() for word in its], k=2)
        if rng.random() < 0.1:
            flipped.add(number)
            kind = rng.choice(sorted(set(kinds) - {kind}))
        products.append(product(" ".join(words), f"color:{kind}", number=number))

    found = {each.place for each in find_label_noise(products, folds=3).suspicions}

    assert len(found & flipped) >= 0.5 * len(flipped)
    assert len(found & flipped) >= 0.7 * len(found)


def test_flipped_labels_of_a_multi_facet_are_found():
    rng = random.Random(2)
    products, wrong = [], set()
    for number in range(400):
        themes = set(rng.sample(["space", "cat", "food"], rng.randint(0, 3)))
        title = " ".join(f"{theme}{rng.randrange(5)}x" for theme in sorted(themes)) or "plain"
        if rng.random() < 0.1:
            themes ^= {"cat"}
            wrong.add(number)
        labels = LabelledProduct(
            str(number), title, "", "", frozenset({"theme"}), frozenset(f"theme:{theme}" for theme in themes)
        )
        products.append(labels)

    noise = find_label_noise(products, folds=3)
    found = [each for each in noise.suspicions if "cat" in each.given + each.suggested]

    assert noise.checked == {"theme": 3 * 400}, "one label per product and tag"
    assert len({each.place for each in found} & wrong) >= 0.5 * len(wrong)
    assert sum(each.place in wrong for each in found) >= 0.7 * len(found)


COLORS = TagSchema(facets=(Facet(name="color", kind=FacetKind.SINGLE, values=("blue", "navy blue", "red")),))


def changed(before: LabelledProduct, **settings) -> LabelledProduct:
    augmentation = Augmentation(**settings)
    return augmented(before, augmentation, random.Random(1), swappable_values(COLORS, augmentation.values_of))


def test_value_swap_changes_text_and_label():
    before = product("Red dress", "color:red", description="A RED one")
    after = changed(before, swap_values_in=1, values_of=("color",))
    (value,) = (tag.split(":")[1] for tag in after.tags)

    assert value in {"blue", "navy blue"}
    assert after.title.lower() == f"{value} dress"
    assert after.description == f"A {value.upper()} one"


@pytest.mark.parametrize("title", ["Blue and red dress", "A dress", "Reddish dress", "Navy blue dress"])
def test_value_swap_keeps_products_whose_title_does_not_name_the_value(title):
    before = product(title, "color:red")

    assert changed(before, swap_values_in=1, values_of=("color",)) == before


def test_synonyms_and_boilerplate_keep_labels():
    before = product("Red sneakers", "color:red", description="for you")
    after = changed(
        before,
        swap_synonyms_in=1,
        synonyms=(("sneakers", "trainers", "kicks"),),
        add_boilerplate_in=1,
        boilerplate=("free delivery",),
    )

    assert after.title in {"Red sneakers", "Red trainers", "Red kicks"}
    assert sorted(after.description.split(" ")) == ["delivery", "for", "free", "you"]
    assert after.tags == before.tags
    titles = {
        augmented(before, Augmentation(swap_synonyms_in=1, synonyms=(("sneakers", "kicks"),)), random.Random(at)).title
        for at in range(20)
    }
    assert titles == {"Red sneakers", "Red kicks"}


def test_swaps_that_would_make_labels_wrong_are_refused():
    chain = TagSchema(
        facets=(
            Facet(name="family", kind=FacetKind.SINGLE, values=("shoes",)),
            Facet(name="class", kind=FacetKind.SINGLE, values=("boots",), parent="family"),
        ),
        parents={"class:boots": ("family:shoes",)},
    )

    with pytest.raises(RecipeError, match="class"):
        swappable_values(chain, ("class",))
    with pytest.raises(ValueError, match="needs synonyms"):
        Augmentation(swap_synonyms_in=0.5)


def test_tags_that_only_look_alike_are_listed_with_their_numbers(tmp_path):
    values = ["Größe", "Gro\u0308ße", "größe ", "Gr\u200böße", "ＧＲÖẞＥ", "rot", "Fine", "ﬁne"]
    lines = [
        {"product_id": str(at), "title": f"shoe {at}", "facets": ["color"], "tags": [f"color:{value.strip()}"]}
        for at, value in enumerate([*values, *values[:2]])
    ]
    path = tmp_path / "shop.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))

    found = check(read_rows([path]), tiny_tokenizer()._tokenizer, CheckSettings())
    groups = found.to_json()["look_alike_tags"]

    assert [{each["tag"]: each["products"] for each in group} for group in groups] == [
        {f"color:{value.strip()}": 1 + (value in values[:2]) for value in sorted(values[:5])},
        {"color:Fine": 1, "color:ﬁne": 1},
    ]
    assert "color:Gro\\u0308\\xdfe" in {each["escaped"] for each in groups[0]}


def test_values_that_programs_write_for_a_missing_value_are_listed(tmp_path):
    absent = [
        "nan",
        "NULL",
        "N/A",
        "none",
        "-",
        "None",
        "n / a",
        "<NA>",
        "(null)",
        "\\N",
        "#VALUE!",
        "Keine Angabe",
        "...",
    ]
    values = [*absent, "nano", "red"]
    path = tmp_path / "shop.csv"
    path.write_text(
        "product_id,title,color\n" + "".join(f"{at},shoe {at},{value}\n" for at, value in enumerate(values))
    )

    found = check(
        read_rows([path], Columns.read(None, ["facet.color=color"])), tiny_tokenizer()._tokenizer, CheckSettings()
    )

    tags = [each["tag"] for each in found.to_json()["missing_value_tags"]]
    assert tags == sorted(f"color:{value}" for value in absent)

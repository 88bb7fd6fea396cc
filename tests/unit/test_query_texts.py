"""Texts like those that people type: made with a seed, and labelled only with what their words say."""

import random
from collections import Counter
from pathlib import Path

import pytest

from hangtag.tags.schema import TagSchema
from hangtag.tags.tag import facet_of
from hangtag.trainer.data.asking import Asking
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.data.query_texts import QueryMaker, QueryMix
from hangtag.trainer.data.tag_things import TagThings
from hangtag.trainer.data.tag_words import QueryWords, QueryWordsError, TagWords, spoken_names
from hangtag.trainer.data.thing import Thing
from hangtag.trainer.data.title_words import TitleWords, WordKind
from hangtag.trainer.data.word_forms import other_number, plural_of, singular_of

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = TagSchema.model_validate_json((ROOT / "hangtag/starter/schema.json").read_bytes())
WORDS = QueryWords.from_file(ROOT / "trainer/recipes/starter-words.toml")
TAG_WORDS = TagWords.of(SCHEMA, WORDS)
SHOES = frozenset({"segment:footwear", "family:footwear", "class:general purpose footwear"})
PATH = frozenset({"segment", "family", "class"})


def product(title: str, tags: frozenset[str], facets: frozenset[str] = PATH, description: str = "") -> LabelledProduct:
    return LabelledProduct(title, title, description, "", facets, tags)


PRODUCTS = [
    *(
        product(
            f"Zorvik {color} Leather Sneakers for Women ZX{number}00 Size 7",
            SHOES | {f"color:{color.lower()}", "audience:women"},
            PATH | {"color", "audience"},
            f"These sneakers by Zorvik are {color.lower()} and made of leather for women.",
        )
        for number, color in enumerate(("Red", "Black", "White", "Brown"))
    ),
    *(
        product(title, TAG_WORDS.path("class:cookware/bakeware"), description=f"A {title.lower()} for the kitchen.")
        for title in (
            "Steel Frying Pan 28 cm",
            "Nonstick Frying Pan",
            "Iron Frying Pan with Leather Grip",
            "Copper Frying Pan Size XL",
        )
    ),
]
MAKER = QueryMaker.of(PRODUCTS, SCHEMA, WORDS)


def drawn(count: int, mix: QueryMix | None = None, seed: int = 1) -> list[LabelledProduct]:
    maker = MAKER if mix is None else QueryMaker.of(PRODUCTS, SCHEMA, WORDS, mix)
    return maker.draw(count, random.Random(seed))


def test_the_same_seed_makes_the_same_texts():
    assert drawn(60) == drawn(60) != drawn(60, seed=2)


def test_labels_are_of_labelled_facets_and_agree_with_each_other():
    texts = drawn(1_500)

    assert all(not text.text.is_empty and text.facets for text in texts)
    assert all(tag in SCHEMA.index and facet_of(tag) in text.facets for text in texts for tag in text.tags)
    for text in texts:
        single = Counter(map(facet_of, text.tags))
        assert max(single.values(), default=1) == 1
        for tag in text.tags:
            parents = SCHEMA.parents.get(tag, ())
            assert len(parents) != 1 or parents[0] in text.tags


def test_a_facet_whose_words_were_dropped_is_not_labelled():
    rng = random.Random(3)
    things = [MAKER.from_titles.draw(PRODUCTS[0], rng) for _ in range(300)]

    said = {thing.phrase: thing for thing in things if thing}
    for phrase, thing in said.items():
        words = set(phrase.split())
        assert ("color:red" in thing.tags) == bool({"red", "reds"} & words)
        assert ("audience:women" in thing.tags) == bool({"women", "woman"} & words)
        assert ("class:general purpose footwear" in thing.tags) == bool({"sneaker", "sneakers"} & words)
    assert {len(thing.tags) for thing in said.values()} == {3, 4, 5}


def test_brands_codes_and_sizes_are_mostly_dropped():
    rng = random.Random(4)
    phrases = [thing.phrase for _ in range(400) if (thing := MAKER.from_titles.draw(PRODUCTS[1], rng))]

    share = {
        word: sum(word in phrase.split() for phrase in phrases) / len(phrases) for word in ("zorvik", "zx100", "7")
    }
    assert 0 < share["zorvik"] < 0.4
    assert share["zx100"] < 0.15
    assert share["7"] < 0.2
    assert sum("sneaker" in phrase for phrase in phrases) / len(phrases) > 0.6


def test_words_of_titles_are_told_apart():
    words = TitleWords.of(PRODUCTS, TAG_WORDS)

    kinds = {word.word: word.kind for word in words.split("The Zorvik Sneakers, ZX100 (size 7) 28 cm leather")}
    assert kinds == {
        "the": WordKind.FILLER,
        "zorvik": WordKind.NAME,
        "sneakers": WordKind.OTHER,
        "zx100": WordKind.CODE,
        "size": WordKind.OTHER,
        "7": WordKind.SIZE,
        "28": WordKind.SIZE,
        "cm": WordKind.SIZE,
        "leather": WordKind.OTHER,
    }
    assert "class:cookware/bakeware" in words.supports["pan"]
    assert "zorvik" not in words.supports


def test_a_negated_value_is_never_a_label():
    asking, rng = Asking(TAG_WORDS), random.Random(5)
    sneakers = Thing("sneakers", PATH, SHOES)
    red = sneakers.said("red sneakers", "color:red")

    for _ in range(300):
        negated, also_red = asking.negated(sneakers, rng), asking.negated(red, rng)
        assert negated.tags == SHOES
        assert len(negated.facets - PATH) == 1
        assert negated.facets - PATH <= {"color", "audience"}
        assert negated.phrase != sneakers.phrase
        assert also_red.tags == red.tags


def test_nothing_is_negated_where_no_attribute_applies():
    pan = Thing("frying pan", PATH, TAG_WORDS.path("class:cookware/bakeware"))

    assert Asking(TAG_WORDS).negated(pan, random.Random(0)) == pan


def test_persons_set_an_attribute_only_where_it_applies():
    asking = Asking(TAG_WORDS)
    pan = Thing("frying pan", PATH, TAG_WORDS.path("class:cookware/bakeware"))
    persons = {person: tag for tag, its in WORDS.recipients.items() for person in its}
    for seed in range(80):
        shoes = asking.for_somebody(Thing("sneakers", PATH, SHOES), random.Random(seed))
        (tag,) = shoes.tags - SHOES
        assert any(person in shoes.phrase and persons[person] == tag for person in persons)
        assert asking.for_somebody(pan, random.Random(seed)).tags == pan.tags


def test_a_value_of_an_attribute_alone_is_no_thing():
    things = [TagThings(TAG_WORDS).attribute_alone(random.Random(seed)) for seed in range(30)]

    assert all(thing.facets == PATH and not thing.tags for thing in things)


def test_every_class_gets_texts_and_a_shared_name_says_only_what_is_shared():
    rng = random.Random(6)
    for tag in TAG_WORDS.things:
        assert MAKER.from_tag(tag, rng).title
    assert TAG_WORDS.said_by("travel mug") == {"segment:kitchen merchandise", "family:kitchen merchandise"}
    assert TAG_WORDS.said_by("camping gear") == {"segment:camping"}
    # A class that stands under two families: the segment is certain, the family is not.
    assert TAG_WORDS.said_by("mattress") == {
        "class:household beds/mattresses",
        "segment:household/office furniture/furnishings",
    }


def test_without_a_list_of_words_the_names_of_tags_are_spoken():
    maker = QueryMaker.of((), SCHEMA)
    rng = random.Random(7)

    assert len({text.title for text in maker.draw(200, rng)}) > 150
    assert maker.from_tag("class:televisions", rng).tags == TAG_WORDS.path("class:televisions")


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("tents/weather structures", ("tents", "weather structures")),
        ("hair removal/masking products", ("hair removal products", "masking products")),
        ("musical instruments (non powered)", ("musical instruments",)),
        ("baby care variety packs", ("baby care set",)),
        ("food preparation equipment", ("food preparation equipment",)),
        ("红色", ("红色",)),
    ],
)
def test_names_of_tags_are_spoken(value, names):
    assert spoken_names(value) == names


def test_titles_without_latin_letters_give_no_text_from_titles():
    chinese = product("新款红色连衣裙", SHOES)

    assert QueryMaker.of([chinese], SCHEMA, WORDS).from_product(chinese, random.Random(0)) is None


def test_the_words_of_the_starter_are_of_its_schema():
    listed = [*WORDS.nouns, *WORDS.needs, *WORDS.recipients]

    assert [tag for tag in listed if tag not in SCHEMA.index] == []
    assert all(phrase == phrase.strip() and phrase for its in WORDS.nouns.values() for phrase in its)
    classes = [tag for tag in SCHEMA.tags if tag.startswith("class:")]
    assert sum(tag in WORDS.nouns for tag in classes) / len(classes) > 0.98


@pytest.mark.parametrize("content", ["nouns = 3", "verbs = {}", "nouns = [", '[nouns]\n"class:a" = "word"'])
def test_a_wrong_list_of_words_is_refused_with_its_name(tmp_path, content):
    path = tmp_path / "words.toml"
    path.write_text(content, "utf-8")

    with pytest.raises(QueryWordsError, match=r"words\.toml"):
        QueryWords.from_file(path)


def test_a_missing_list_of_words_is_one_sentence(tmp_path):
    with pytest.raises(QueryWordsError, match="No such file"):
        QueryWords.from_file(tmp_path / "none.toml")


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("knife", "knives"),
        ("box", "boxes"),
        ("battery", "batteries"),
        ("hoodie", "hoodies"),
        ("vase", "vases"),
        ("toy", "toys"),
    ],
)
def test_number_of_words(one, many):
    assert (plural_of(one), singular_of(many)) == (many, one)
    assert (other_number(f"red {one}"), other_number(f"red {many}")) == (f"red {many}", f"red {one}")


@pytest.mark.parametrize("word", ["jeans", "glass", "cookware", "bus", "coffee"])
def test_words_with_one_form_stay(word):
    assert singular_of(word) == word

"""Finding, swapping, removing and mistyping words in scripts with and without spaces between words."""

import random
import re

import pytest

from hangtag.tags.schema import Facet, FacetKind, TagSchema
from hangtag.trainer.data.augment import augmented, mistyped
from hangtag.trainer.data.labelled import LabelledProduct
from hangtag.trainer.data.weak_labels import weakly_labelled
from hangtag.trainer.data.word_swaps import swappable_values, with_synonyms
from hangtag.trainer.data.words import whole_words
from hangtag.trainer.recipe.recipe import Augmentation, Source

DRESS = "夏季红色连衣裙"


def product(title: str, *tags: str, description: str = "") -> LabelledProduct:
    facets = frozenset(tag.split(":")[0] for tag in tags)
    return LabelledProduct("p", title, description, "", facets, frozenset(tags))


@pytest.mark.parametrize(
    ("words", "text", "found"),
    [
        (("红色", "红"), DRESS, ["红色"]),
        (("ワンピース",), "夏用赤いワンピース新作", ["ワンピース"]),
        (("แดง",), "ชุดเดรสสีแดงผู้หญิง", ["แดง"]),
        (("ក្រហម",), "រ៉ូបក្រហមថ្មី", ["ក្រហម"]),
        (("t恤",), "新款T恤男", ["T恤"]),
        (("nike",), "新款Nike运动鞋", ["Nike"]),
        (("nike",), "新款Nikeair运动鞋", []),
        (("blue", "navy blue"), "Navy blue, blue-green, blueish BLUE", ["Navy blue", "BLUE"]),
        (("größe",), "Größentabelle: Größe", ["Größe"]),
        (("красный",), "красныйшарф красный", ["красный"]),
        (("빨강",), "빨강색 빨강", ["빨강"]),
    ],
)
def test_words_are_found_at_the_word_boundaries_of_their_script(words, text, found):
    assert whole_words(words).findall(text) == found


def test_synonyms_and_values_are_swapped_in_scripts_without_spaces():
    schema = TagSchema(facets=(Facet(name="color", kind=FacetKind.SINGLE, values=("红", "蓝", "深蓝")),))
    values = swappable_values(schema, ("color",))
    swap = Augmentation(swap_values_in=1, values_of=("color",))

    changed = augmented(product(DRESS, "color:红"), swap, random.Random(1), values)

    (value,) = (tag.split(":")[1] for tag in changed.tags)
    assert value in {"蓝", "深蓝"}
    assert changed.title == f"夏季{value}色连衣裙"
    assert {with_synonyms(DRESS, (("连衣裙", "裙子"),), random.Random(seed)) for seed in range(9)} == {
        DRESS,
        "夏季红色裙子",
    }


def test_a_word_that_matches_but_folds_differently_stays():
    assert with_synonyms("MİNİ skirt", (("mini", "short"), ("skirt", "skirts")), random.Random(0)).startswith("MİNİ ")


@pytest.mark.parametrize(
    ("title", "tag"),
    [
        ("夏季红色连衣裙配腰带", "class:dress"),
        ("连衣裙 运动鞋", "class:shoe"),
        ("运动鞋 Red Dress", "class:dress"),
        ("Dress x-shoe", "class:dress"),
        ("dressing gown", None),
    ],
)
def test_the_last_listed_word_decides_in_every_script(title, tag):
    source = Source.model_validate(
        {
            "train": ["a"],
            "named_by": [
                {"tags": ["class:dress"], "words": ["连衣裙", "dress"]},
                {"tags": ["class:shoe"], "words": ["运动鞋", "鞋", "shoe"]},
            ],
        }
    )

    (labelled,) = weakly_labelled([product(title)], source)

    assert labelled.tags == ({tag} if tag else frozenset())


def test_about_the_requested_share_of_characters_is_removed_or_mistyped():
    text = "夏季红色连衣裙新款女装" * 400
    dropped = augmented(product(text), Augmentation(drop_words_in=1, word_rate=0.1), random.Random(0)).title
    same = sum(one == other for one, other in zip(text, dropped, strict=False))

    assert len(dropped) == pytest.approx(0.9 * len(text), rel=0.02)
    assert set(dropped) == set(text)
    assert same < 0.5 * len(text)  # from all over the text, not from its end

    # Four kinds of error at a rate of 0.4: a tenth of the characters is doubled, a tenth is removed.
    wrong = mistyped(text, 0.4, random.Random(0))
    assert len(wrong) == pytest.approx(len(text), rel=0.03)
    assert len(re.findall(r"(.)\1", wrong)) == pytest.approx(0.1 * len(text), rel=0.3)


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        (DRESS, r"[\u4e00-\u9fff]+"),
        ("赤いワンピース", r"[\u4e00-\u9fff\u3040-\u30ff]+"),
        ("ชุดเดรสสีแดง", r"[\u0e00-\u0e7f]+"),
        ("чехол для iPhone", r"[а-я]+ [а-я]+ [a-zA-Z]+"),
        ("κόκκινο φόρεμα", r"[\u0370-\u03ff ]+"),
    ],
)
def test_a_mistyped_word_stays_in_its_script(text, letters):
    changed = {mistyped(text, 1.0, random.Random(seed)) for seed in range(60)}

    assert len(changed) > 10
    assert all(re.fullmatch(letters, each) for each in changed)


def test_signs_stay_on_their_characters():
    text = "สีน้ำเงิน"
    signs = {"\u0e35", "\u0e49", "\u0e34"}
    for seed in range(40):
        left = augmented(product(text), Augmentation(drop_words_in=1, word_rate=0.4), random.Random(seed)).title
        assert left[0] not in signs
        assert all(f"{text[text.index(sign) - 1]}{sign}" in left for sign in signs & set(left))


@pytest.mark.parametrize("text", ["红", "红 蓝", "ก"])
def test_a_text_never_becomes_empty(text):
    everything = Augmentation(drop_words_in=1.0, mistype_in=1.0, word_rate=1.0)

    assert all(not augmented(product(text), everything, random.Random(at)).text.is_empty for at in range(20))


def test_seeded_augmentation_of_latin_texts_is_reproducible():
    settings = Augmentation(
        drop_words_in=0.7,
        mistype_in=0.7,
        word_rate=0.3,
        swap_synonyms_in=0.5,
        synonyms=(("dress", "gown"), ("hose", "t-shirt")),
    )
    before = product("Grüne Hose, 2-in-1  size 38", description="a long red dress for cold evenings, L’été 100 % Größe")
    rng = random.Random(11)

    copies = [augmented(before, settings, rng) for _ in range(4)]

    assert [(each.title, each.description) for each in copies] == [
        ("-shirt, 2-in-1  38", "long red fo codl eveninggs, L’été Größe"),
        (" size 38", "a long red cold evenings, L’été 100 Größe"),
        ("Grüne Hose, 2-in-1  size 38", "a long red gown for cold evenings, L’été 100 % Größe"),
        ("Grüne Hose,  size 38", "a long red dress cold evenings, L’été 100"),
    ]
    assert rng.random() == 0.6020184952157411

"""Which tags a text names."""

import pytest

from hangtag.tags.naming import Naming
from hangtag.text.product_text import ProductText

WORDS = {
    "color:blue": ("blue", "bleu"),
    "color:navy": ("navy",),
    "color:red": ("red", "红"),
    "color:rose gold": ("rose gold",),
    "audience:men": ("men", "mens"),
    "audience:women": ("women",),
    "mode:co-op": ("co-op",),
    "genre:action": ("action",),
    "genre:rpg": ("rpg",),
}
NAMING = Naming(WORDS, ["color", "audience", "mode"])


@pytest.mark.parametrize(
    ("title", "named"),
    [
        ("Linen shirt", set()),
        ("Blue linen shirt", {"color:blue"}),
        ("BLUE shirt, Men's", {"color:blue", "audience:men"}),
        ("Mens shirt", {"audience:men"}),
        ("Women shirt", {"audience:women"}),  # "men" is not a word of "women"
        ("Coloured shirt", set()),  # nor "red" of "coloured"
        ("Red-toned shirt", {"color:red"}),
        ("Red & blue shirt", {"color:red", "color:blue"}),
        ("Rose gold ring", {"color:rose gold"}),
        ("Rose-gold ring", {"color:rose gold"}),
        ("Co op game", {"mode:co-op"}),
        ("夏季红色连衣裙", {"color:red"}),
        ("", set()),
    ],
)
def test_a_tag_is_named_by_its_complete_words(title, named):
    assert NAMING.named(ProductText.of(title)) == named


@pytest.mark.parametrize("title", ["Navy blue wool coat", "navy-blue coat", "Coat in blue navy"])
def test_two_values_in_one_phrase_name_neither(title):
    assert NAMING.named(ProductText.of(title)) == set()
    # Not even where one of them stands alone elsewhere: which of them the product has is not certain.
    assert NAMING.named(ProductText.of(title, "A blue coat.")) == set()


def test_a_phrase_with_words_of_its_own_is_no_contradiction():
    naming = Naming({**WORDS, "color:navy": ("navy", "navy blue")}, ["color"])

    assert naming.named(ProductText.of("Navy blue wool coat")) == {"color:navy"}


def test_several_tags_of_a_multi_facet_may_follow_each_other():
    assert NAMING.named(ProductText.of("action RPG")) == {"genre:action", "genre:rpg"}


def test_title_and_description_are_not_one_phrase():
    assert NAMING.named(ProductText.of("Coat, navy", "Blue lining.")) == {"color:navy", "color:blue"}


@pytest.mark.parametrize(
    ("title", "without"),
    [
        ("Navy blue wool coat for men", "wool coat for men"),
        ("re red d dress", "re d dress"),
        ("rose red gold ring", "ring"),  # without red, "rose gold" is left, which names another one
        ("红色连衣裙", "色连衣裙"),
        ("blue", ""),
    ],
)
def test_a_facets_words_are_taken_out(title, without):
    found = NAMING.without(title, "color")

    assert found.split() == without.split()
    assert not any(tag.startswith("color:") for tag in NAMING.named(ProductText(found)))


def test_without_words_nothing_is_named():
    assert Naming({}).named(ProductText.of("red")) == set()
    assert Naming({"color:?": ("?!",)}).named(ProductText.of("red?!")) == set()

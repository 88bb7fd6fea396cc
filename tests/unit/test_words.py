"""What queries say: what is not wanted, sizes and prices, recipients, spelling, and why there is no answer."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangtag.bundle import load_bundle
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.text.understood import NoTags, SpanKind, Understood
from hangtag.words import Reader, languages_of

BUNDLE = load_bundle()
# The starter's words and vocabulary, for a bundle that was trained on English.
READER = Reader(
    BUNDLE.schema,
    BUNDLE.thresholds.map(lambda entry: entry.model_copy(update={"languages": ("en",)})),
    BUNDLE.tokenizer,
    BUNDLE.weights.wide,
)


def read(query: str) -> Understood:
    return READER.read(ProductText.of(query), TextKind.QUERY)


@pytest.mark.parametrize(
    ("query", "wanted", "excluded"),
    [
        ("shirt not red", "shirt", {"color:red"}),
        ("jacket but not for women", "jacket", {"audience:women"}),
        ("shirts without logo, not black", "shirts", {"color:black"}),
        ("no black shoes", "shoes", {"color:black"}),
        ("anything but black shoes for my husband", "shoes for men", {"color:black"}),
        ("laptop bag not black or brown", "laptop bag", {"color:black", "color:brown"}),
        ("i don't want black, white or grey trousers", "trousers", {"color:black", "color:white", "color:grey"}),
        ("trousers, neither black nor blue", "trousers", {"color:black", "color:blue"}),
        ("coat that is not black but navy", "coat but navy", {"color:black"}),
        ("ring, silver not gold", "ring, silver", {"color:gold"}),
        ("scarf - nothing in red please", "scarf", {"color:red"}),
        ("shirt other than navy blue", "shirt", {"color:navy", "color:blue"}),
        ("a white tshirt without red stripes", "a white tshirt", {"color:red"}),
        ("red dress not for kids", "red dress", {"audience:boys", "audience:girls", "audience:unisex kids"}),
        ("watch, but not for my wife", "watch", {"audience:women"}),
        ("jacket for my brother, he won\N{RIGHT SINGLE QUOTATION MARK}t wear green", "jacket for men", {"color:green"}),
        ("toy car without batteries", "toy car", {"class:batteries/chargers"}),
        ("blouse without buttons in white", "blouse in white", set()),
    ],
)
def test_what_a_query_does_not_want(query: str, wanted: str, excluded: set[str]) -> None:
    found = read(query)

    assert found.text.first == wanted
    assert set(found.excluded) == excluded
    assert found.refusal is None


@pytest.mark.parametrize(
    "query",
    [
        "no show socks",
        "non slip mat",
        "why not a red dress",
        "nothing phone case",
        "perfume no 5",
        "not only red shoes",
    ],
)
def test_what_looks_like_a_negation(query: str) -> None:
    found = read(query)

    assert (found.text.first, found.excluded) == (query, ())


@pytest.mark.parametrize(
    ("query", "read_text", "spans"),
    [
        ("necklace under $50", "necklace", [(SpanKind.PRICE, "under $50")]),
        ("headphones below 100", "headphones", [(SpanKind.PRICE, "below 100")]),
        ("table between 100 and 200 dollars", "table", [(SpanKind.PRICE, "between 100 and 200 dollars")]),
        ("desk under 50 cm", "desk under 50 cm", [(SpanKind.SIZE, "50 cm")]),
        ("boots size 42", "boots size 42", [(SpanKind.SIZE, "size 42")]),
        ("2 pack t shirts xl", "2 pack t shirts xl", [(SpanKind.QUANTITY, "2 pack"), (SpanKind.SIZE, "xl")]),
        ("set of 4 chairs", "set of 4 chairs", [(SpanKind.QUANTITY, "set of 4")]),
        ("desk 120 x 60 cm", "desk 120 x 60 cm", [(SpanKind.SIZE, "120 x 60 cm")]),
        ("love story", "love story", []),
    ],
)
def test_prices_sizes_and_quantities(query: str, read_text: str, spans: list[tuple[SpanKind, str]]) -> None:
    found = read(query)

    assert found.text.first == read_text
    assert [(span.kind, span.text) for span in found.spans] == spans


def test_recipients_are_read_as_the_words_of_the_tags() -> None:
    found = read("warm boots for my 5 year old daughter")

    assert found.text.first == "warm boots for girls"
    assert found.written == {"girls": "daughter"}
    assert read("boots for my cat").text.first == "boots for my cat"


def test_a_typing_error_is_read_as_the_word_that_was_meant() -> None:
    found = read("sneekers and a jaket")

    assert found.text.first == found.spelling == "sneakers and a jacket"
    assert found.written == {"sneakers": "sneekers", "jacket": "jaket"}


@pytest.mark.parametrize(
    "query", ["silver locket", "stud finder", "decaf pods", "reusable straws", "thermals", "pouffe"]
)
def test_rare_words_are_not_corrected(query: str) -> None:
    assert read(query).spelling == ""


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("where is my order", NoTags.OFF_TOPIC),
        ("can i return a dress that does not fit", NoTags.OFF_TOPIC),
        ("hello", NoTags.OFF_TOPIC),
        ("do you deliver to france?", NoTags.OFF_TOPIC),
        ("xkjhdf wzqtpr", NoTags.OFF_TOPIC),
        ("red", NoTags.TOO_SHORT),
        ("for men, size 42", NoTags.TOO_SHORT),
        ("under $20", NoTags.TOO_SHORT),
        ("harley davidson", NoTags.TOO_SHORT),
        ("samsung in black", NoTags.TOO_SHORT),
        ("not black", NoTags.TOO_SHORT),
        ("42", NoTags.TOO_SHORT),
        ("Kinderwagen", NoTags.LANGUAGE_NOT_SUPPORTED),
        ("chaussures de randonnée homme", NoTags.LANGUAGE_NOT_SUPPORTED),
        ("детская коляска", NoTags.LANGUAGE_NOT_SUPPORTED),
        ("电饭煲", NoTags.LANGUAGE_NOT_SUPPORTED),
    ],
)
def test_why_a_query_has_no_answer(query: str, reason: NoTags) -> None:
    found = read(query)

    assert found.refusal is reason
    assert bool(found.language) == (reason is NoTags.LANGUAGE_NOT_SUPPORTED)


@pytest.mark.parametrize(
    "query",
    [
        *(
            "hoodie",
            "hello kitty backpack",
            "delivery bag for pizza",
            "order book",
            "gift card holder",
            "phone",
            "tent",
        ),
        *("sth to keep my coffee hot on the train", "dumbbells", "kettle", "poncho", "kimono", "espresso machine"),
        *("red sneakers women", "weather station", "orange juice", "peach tea", "samsung tv"),
    ],
)
def test_a_query_for_a_thing_is_answered(query: str) -> None:
    assert read(query).refusal is None


@pytest.mark.parametrize(
    ("query", "fitted"),
    [
        ("tv wall mount", {"tv", "wall"}),
        ("phone holder for car", {"phone", "car"}),
        ("case for my iphone", {"iphone"}),
        ("spare parts for vacuum", {"vacuum"}),
        ("bands of gold", set()),
        ("shoes for women", set()),
    ],
)
def test_what_an_accessory_fits(query: str, fitted: set[str]) -> None:
    assert read(query).fitted == fitted


def test_products_are_read_as_they_are() -> None:
    """Of a product only the language is found out: its title is no wish."""
    english = ProductText.of("Shirt, not red, under $50 for my daughter", "sneekers", "Shirts")
    german = ProductText.of("Rote Damenschuhe aus Leder", "Bequeme Schuhe für den Alltag, mit Absatz.")

    assert READER.read(english, TextKind.PRODUCT) == Understood(english)
    assert READER.read(german, TextKind.PRODUCT) == Understood(german, language="de")


def test_without_languages_every_language_is_read() -> None:
    reader = Reader(BUNDLE.schema, BUNDLE.thresholds.map(without_languages), BUNDLE.tokenizer, BUNDLE.weights.wide)

    found = reader.read(ProductText.of("Kinderwagen"), TextKind.QUERY)

    assert (found.refusal, found.language) == (None, "")


def without_languages(entry):
    return entry.model_copy(update={"languages": ()})


def test_the_english_rules_are_for_bundles_that_know_english() -> None:
    german = BUNDLE.thresholds.map(lambda entry: entry.model_copy(update={"languages": ("de",)}))
    reader = Reader(BUNDLE.schema, german, BUNDLE.tokenizer, BUNDLE.weights.wide)

    found = reader.read(ProductText.of("Die Jacke ist rot, und no ist der Name der Marke"), TextKind.QUERY)

    assert found == Understood(found.text)


def test_a_bundle_without_a_wide_part_reads_queries_too() -> None:
    reader = Reader(BUNDLE.schema, BUNDLE.thresholds, BUNDLE.tokenizer, None)

    found = reader.read(ProductText.of("shirt not red"), TextKind.QUERY)

    assert (found.text.first, found.excluded) == ("shirt", ("color:red",))


def test_the_languages_of_texts() -> None:
    english = ["Warm winter boots for children, made of leather", "A blue cotton shirt with long sleeves"] * 10
    german = ["Warme Winterstiefel für Kinder, aus Leder", "Ein blaues Hemd aus Baumwolle"]

    assert languages_of(english) == ("en",)
    assert languages_of([*english, *german * 5]) == ("en", "de")
    assert languages_of([*english, german[0]]) == ("en",)
    assert languages_of(["42", ""]) == ()


@given(st.text(max_size=60))
def test_no_text_is_too_odd(text: str) -> None:
    """Whatever is typed is read, with what is excluded in the schema, and always in the same way."""
    clean = ProductText.of(text)

    found = READER.read(clean, TextKind.QUERY)

    assert set(found.excluded) <= set(BUNDLE.schema.tags)
    assert found == READER.read(replace(clean), TextKind.QUERY)


@given(
    st.sampled_from(["shoes", "a warm jacket", "silver ring"]),
    st.sampled_from(["not {}", "but not {}", "without {}", "no {}", "except {}", "in any color but not in {}"]),
    st.sampled_from(["red", "navy", "grey", "pink"]),
    st.sampled_from([("for women", "audience:women"), ("for my wife", "audience:women"), ("", "")]),
)
def test_a_negated_color_is_excluded_and_the_rest_stays(
    thing: str, negation: str, color: str, recipient: tuple[str, str]
) -> None:
    words, audience = recipient

    found = read(f"{thing} {words} {negation.format(color)}")

    assert found.excluded == (f"color:{color}",)
    assert color not in found.text.first
    assert found.text.first.startswith(thing)
    assert ("women" in found.text.first) == bool(audience)

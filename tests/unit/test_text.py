"""Training and serving share the cleaning of texts: it must be exact, take bounded time and never fail."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangtag.text.clean import clean_text
from hangtag.text.limits import MAX_RAW_CHARS
from hangtag.text.product_text import ProductText

_BLANK_OR_IGNORABLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U0001d159\U00013441\U00013442\U000e0100-\U000e01ef]"
)

# What shops put in front of a product's words, 40 kB each.
HIDDEN = {
    "image": f'<img src="data:image/png;base64,{"iVBORw0KGgo" * 4_000}">',
    "image without a tag": f"data:image/png;base64,{'iVBORw0KGgo' * 4_000}",
    "style sheet": f"<style>{'.price > b { color: red; } ' * 1_600}</style>",
    "script": f"<script>{'if (a < b) { c() } ' * 2_200}</script>",
    "comment": f"<!-- {'<p>sold out</p> ' * 2_600} -->",
    "conditional comment": f"<!--[if mso]><xml>{'<o:p>x</o:p>' * 3_500}</xml><![endif]-->",
    "code": f"// <![CDATA[ {'if (a < b) { c() } ' * 2_200} // ]]>",
    "tags": "<div><span>" * 4_000,
    "white space": "&nbsp;\n\t " * 5_000,
    "zero-width spaces": "\u200b" * 40_000,
    "blanks": "\u2800" * 40_000,
}


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("  Red\tDress\n\n", "Red Dress"),
        ("<p>Red<br/>dress</p>", "Red dress"),
        ("Tom &amp; Jerry", "Tom & Jerry"),
        ("Tom &amp;amp; Jerry", "Tom & Jerry"),
        ("<script>alert('x < y')</script>Mug", "Mug"),
        ("<style>a{}</STYLE >Mug<script>b</scriptx> cup</script>", "Mug b cup"),
        ("<script>a</script>Mug<script>b</script> cup<style>", "Mug cup"),
        ("<!-- sale --> Mug", "Mug"),
        ("size < 5 and > 3", "size < 5 and > 3"),
        ("a\u200bb\u00adc\ufeff", "abc"),
        ("a\u00a0b\u3000c", "a b c"),
        ("ﬁne ＳＨＯＥ", "fine SHOE"),
        ("x\x00\x07y", "xy"),
        ("\ud800 lone", "lone"),
        ("连衣裙", "连衣裙"),
        ("👗👠", "👗👠"),
        ("\u200b\u200b &nbsp; <br>", ""),
        ("<![CDATA[Red shoe]]>", "Red shoe"),
        ("<![CDATA[<p>Red</p>]]><![cdata[shoe &amp; sock]]>", "Red shoe & sock"),
        ("<p>Mug</p> //<![CDATA[ track('mug > cup < pot') //]]> 300 ml", "Mug 300 ml"),
        ("a ]]> b", "a ]]> b"),
        ("<!-- <p>sold out</p> --> Mug <!-- --> cup <!--> pot", "Mug cup pot"),
        ("<!-- <script> --> Mug </script>", "Mug"),
        ("<!-- Mug <b>cup</b>", "<!-- Mug cup"),
        ("<style><!-- p > b {} --></style>Mug", "Mug"),
        ("Red\u2800shoe\u3164for\u115f\u1160men\uffa0", "Red shoe for men"),
        ("\u2764\ufe0f Mug\u034f\u17b4\u180b\U000e0100", "\u2764 Mug"),
        ("e\u200b\u0301", "\u00e9"),
    ],
)
def test_clean_text(raw, clean):
    assert clean_text(raw) == clean


@pytest.mark.parametrize(
    "blank", ["\u3164", "\u2800", "\ufe0f", "\u115f", "\u1160", "\u17b4", "\u17b5", "\uffa0", "\u034f"]
)
def test_characters_that_show_nothing_are_no_text(blank):
    assert ProductText.of(blank, f" {blank * 3} ", f"<p>{blank}</p>").is_empty


@pytest.mark.parametrize("kind", HIDDEN)
def test_nothing_hides_the_words_behind_it(kind):
    raw = f"{HIDDEN[kind]} Red shoe for men"

    text = ProductText.of(raw, raw, raw)

    assert text == ProductText.of(*["Red shoe for men"] * 3)


def test_the_text_is_truncated_after_it_is_cleaned():
    raw = "<b>Mug</b>&nbsp; " * 50_000

    assert len(raw) < MAX_RAW_CHARS
    assert clean_text(raw, 1_000) == ("Mug " * 250).strip()
    assert clean_text(raw, 199) == ("Mug " * 50).strip()


@given(
    st.text(
        st.characters(categories=["L", "N", "P", "S", "Zs", "Mn", "Mc"], exclude_characters="<>&\u2800"), max_size=300
    ),
    st.integers(1, 400),
)
def test_an_ordinary_text_is_only_normalised(raw, cap):
    """What cleaning did before markup was removed ahead of truncation."""
    ordinary = "".join(char for char in raw if not _BLANK_OR_IGNORABLE.match(char))

    assert clean_text(ordinary, cap) == " ".join(unicodedata.normalize("NFKC", ordinary).split())[:cap].rstrip()


@given(st.text(max_size=300), st.integers(1, 50))
def test_result_is_short_normalised_and_visible(raw, cap):
    cleaned = clean_text(raw, cap)

    assert len(cleaned) <= cap
    assert cleaned == " ".join(cleaned.split())
    assert all(unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Cn", "Co"} for char in cleaned)


@given(st.text(alphabet=st.characters(exclude_characters="<>&"), max_size=200))
def test_cleaning_twice_changes_nothing(raw):
    once = clean_text(raw)

    assert clean_text(once) == once


@pytest.mark.parametrize(
    "piece",
    [
        *("<a ", "<!--", "<script>", "&", "<", "\u200b", "&lt;", "<!-- <", "<![CDATA[", "//<![CDATA[", "]]>"),
        *("data:a/b;base64,", "//         ", "\u0316\u0301", "\ufdfa", "&#1;"),
    ],
)
def test_hostile_megabyte_is_bounded(piece):
    """Would exceed the time limit of the test if any pattern backtracked."""
    assert len(clean_text(piece * 300_000, 4_000)) <= 4_000


@pytest.mark.parametrize("piece", ["<script>", "<style>", "<script></scriptx"])
def test_many_open_elements_are_cleaned_in_linear_time(piece):
    """Would exceed the time limit of the test otherwise."""
    for _ in range(150):
        clean_text(piece * 5_000)


@pytest.mark.parametrize("reference", ["&#{};", "&#{}", "&amp;#{};", "&#x{};"])
def test_a_number_too_long_for_python_is_not_a_character(reference):
    assert clean_text("mug &lt; " + reference.format("1" * 5_000)) in {"mug < \ufffd", "mug <"}


def test_title_and_category_make_the_first_segment():
    assert ProductText.of("Mug", "Blue <b>mug</b>", "Kitchen") == ProductText("Mug | Kitchen", "Blue mug")
    assert ProductText.of("", "Blue mug", "Kitchen") == ProductText("Kitchen", "Blue mug")
    assert ProductText.of("Mug") == ProductText("Mug", "")
    assert ProductText.of("<br>", "\u200b", " ").is_empty

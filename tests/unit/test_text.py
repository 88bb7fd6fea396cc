"""Training and serving share the cleaning of texts: it must be exact, take bounded time and never fail."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangtag.text.clean import clean_text
from hangtag.text.product_text import ProductText


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
    ],
)
def test_clean_text(raw, clean):
    assert clean_text(raw) == clean


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


@pytest.mark.parametrize("piece", ["<a ", "<!--", "<script>", "&", "<", "\u200b", "&lt;"])
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

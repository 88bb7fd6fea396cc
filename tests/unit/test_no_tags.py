"""Why a text has no tags: in what is decoded, and in what is stored and sent."""

import numpy as np
import pytest

from hangtag.records import TaggedProduct, decode_tags, encode_tags
from hangtag.tags.decisions import Decision, apply_decisions
from hangtag.tags.decoding import Decoder
from hangtag.tags.tagset import TagSet
from hangtag.tags.thresholds import Calibration, TagThresholds, Thresholds
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.text.understood import NoTags, Understood
from hangtag.v1 import tags_pb2
from tests.bundles import tiny_schema

SCHEMA = tiny_schema()
TEXT = ProductText.of("red dress")
# Sure of clothing, dresses and red; without games.
LOGITS = np.array([[9, -9, -9, 9, -9, -9, -9, -9, -9, 9, -9, -9, -9]], np.float32)


def decoder(auto: float = 0.5) -> Decoder:
    calibration = Calibration(temperatures={facet.name: 1.0 for facet in SCHEMA.facets})
    return Decoder.for_products(
        SCHEMA, calibration, Thresholds(tags=dict.fromkeys(SCHEMA.tags, TagThresholds(auto=auto, review=0.5)))
    )


def decoded(says: Understood, auto: float = 0.5, kind: TextKind = TextKind.QUERY) -> TagSet:
    (found,) = decoder(auto).decode(LOGITS, [kind], None, [says])
    return found


def all_tags(found: TagSet) -> set[str]:
    return {scored.tag for scored in (*found.tags, *found.review)}


def test_a_text_that_is_refused_has_no_tag_and_the_reason() -> None:
    found = decoded(Understood(TEXT, refusal=NoTags.OFF_TOPIC))

    assert (found.tags, found.review, found.no_tags) == ((), (), NoTags.OFF_TOPIC)


@pytest.mark.parametrize("auto", [0.5, 1.01])
def test_an_excluded_tag_is_neither_served_nor_in_review(auto: float) -> None:
    assert "color:red" in all_tags(decoded(Understood(TEXT), auto))

    assert "color:red" not in all_tags(decoded(Understood(TEXT, excluded=("color:red",)), auto))


def test_what_depends_on_an_excluded_tag_goes_with_it() -> None:
    """The class below an excluded segment, and the color of clothing."""
    assert all_tags(decoded(Understood(TEXT, excluded=("segment:clothing",)))) == set()


def test_a_doubted_tag_is_for_review() -> None:
    found = decoded(Understood(TEXT, doubted=frozenset({"class:dresses"})))

    assert "class:dresses" in {scored.tag for scored in found.review}
    assert "segment:clothing" in {scored.tag for scored in found.tags}


def test_a_product_in_an_unknown_language_keeps_its_tags() -> None:
    says = Understood(TEXT, language="de")

    tagged, untagged = decoded(says, kind=TextKind.PRODUCT), decoded(says, auto=1.01, kind=TextKind.PRODUCT)

    assert tagged.tags == decoded(Understood(TEXT), kind=TextKind.PRODUCT).tags
    assert (tagged.language, tagged.no_tags) == ("de", None)
    assert (untagged.language, untagged.no_tags) == ("de", NoTags.LANGUAGE_NOT_SUPPORTED)


@pytest.mark.parametrize(
    ("tags", "reason"),
    [
        (TagSet((), ()), "LOW_CONFIDENCE"),
        (TagSet((), (), language="de"), "LANGUAGE_NOT_SUPPORTED"),
    ],
)
def test_the_reason_is_stored_with_the_product(tags: TagSet, reason: str) -> None:
    product = TaggedProduct("sku-1", 1, tags, "ab", 0)

    stored = encode_tags(product)

    message = tags_pb2.ProductTags.FromString(stored)
    assert tags_pb2.NoTagsReason.Name(message.no_tags_reason) == f"NO_TAGS_REASON_{reason}"
    assert message.language == tags.language
    assert decode_tags(stored) == product


def test_a_decision_of_a_person_leaves_the_language() -> None:
    found = apply_decisions(TagSet((), (), language="de"), [Decision("color:red", is_accepted=True)], SCHEMA)

    assert (found.language, found.no_tags) == ("de", None)


def test_every_reason_has_a_value_in_the_contract() -> None:
    names = {name.removeprefix("NO_TAGS_REASON_") for name in tags_pb2.NoTagsReason.keys()}  # noqa: SIM118 (not a dict)

    assert {reason.name for reason in NoTags} == names - {"UNSPECIFIED", "FILTERED"}

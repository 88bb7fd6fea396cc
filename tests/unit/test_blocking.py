"""What a look-up serves of tags that were stored before some of them were blocked."""

from hangtag.models import Pointer
from hangtag.records import TaggedProduct, decode_tags, encode_tags
from hangtag.server.look_up import parse_get
from hangtag.server.looked_up import LookedUp
from hangtag.server.lookups import Lookups
from hangtag.server.pointer_view import PointerView
from hangtag.store import Stored
from hangtag.tags.blocking import without_blocked
from hangtag.tags.decisions import Decision, apply_decisions
from hangtag.tags.schema import Rule
from hangtag.tags.tagset import ScoredTag, Source, TagSet
from hangtag.tags.thresholds import Band
from hangtag.telemetry import metrics
from hangtag.text.understood import NoTags
from hangtag.v1 import tags_pb2
from tests.bundles import tiny_schema

SCHEMA = tiny_schema(
    rules=(
        Rule(kind="implies", when="class:software", then="genre:action"),
        Rule(kind="implies", when="genre:rpg", then="genre:indie"),
    )
)
OLD, NEW = "a" * 64, "b" * 64


def scored(tag: str, band: Band = Band.AUTO, source: Source = Source.MODEL) -> ScoredTag:
    return ScoredTag(tag, 0.75, source, band)


def payload(tags: TagSet) -> bytes:
    return encode_tags(TaggedProduct("p", 1, tags, OLD, 5, (Decision("color:red", True),)))


def pointer(sequence: int = 7, blocked: tuple[str, ...] = (), blocked_sequence: int = 0) -> Pointer:
    return Pointer("default", sequence, NEW, "c" * 64, blocked, blocked_sequence, 0)


def answer(stored: Stored, known: Pointer | None, request: tags_pb2.GetProductTagsRequest | None = None):
    class Reader:
        def read(self, *_: object) -> list[LookedUp]:
            return [LookedUp(stored, 1_000)]

    view = PointerView(lambda: SCHEMA)
    if known is not None:
        view.take(known)
    lookups = Lookups(Reader(), lambda _: None, pointer=view)
    raw = (request or tags_pb2.GetProductTagsRequest(product_id="p")).SerializeToString()
    (found,) = lookups.answer([parse_get(raw)])
    assert isinstance(found, bytes)
    return tags_pb2.GetProductTagsResponse.FromString(found)


def names(tags) -> list[str]:
    return [f"{tag.facet}:{tag.value}" for tag in tags]


def filtered() -> float:
    found = metrics.SERVER.get_sample_value("hangtag_filtered_lookups_total")
    assert found is not None
    return found


CLOTHES = TagSet(
    (scored("segment:clothing"), scored("class:dresses"), scored("color:navy")), (scored("genre:rpg", Band.REVIEW),)
)


def test_a_blocked_tag_and_what_depends_on_it_are_not_served_until_the_product_is_tagged_again() -> None:
    counted, stored = filtered(), Stored(payload(CLOTHES), 1, None, 6)

    found = answer(stored, pointer(blocked=("segment:clothing", "genre:rpg"), blocked_sequence=7))

    assert (names(found.tags), names(found.review)) == ([], [])
    assert found.no_tags_reason == tags_pb2.NO_TAGS_REASON_LOW_CONFIDENCE
    assert (found.version, found.bundle_version, len(found.decisions)) == (1, OLD, 1)
    assert filtered() == counted + 1


def test_what_was_stored_since_the_last_change_of_blocked_tags_is_not_parsed() -> None:
    counted, damaged = filtered(), b"no message"
    view = PointerView(lambda: SCHEMA)
    view.take(pointer(sequence=9, blocked=("color:red",), blocked_sequence=7))

    assert view.served(Stored(damaged, 1, None, 7)) is damaged
    assert filtered() == counted
    view.take(pointer(sequence=10, blocked=(), blocked_sequence=10))
    assert view.served(Stored(damaged, 1, None, 7)) is damaged


def test_a_look_up_says_that_tags_of_a_newer_bundle_are_on_their_way() -> None:
    before, current = Stored(payload(CLOTHES), 1, None, 6), Stored(payload(CLOTHES), 1, None, 7)

    assert answer(before, pointer()).newer_bundle_version == NEW
    assert names(answer(before, pointer()).tags) == ["segment:clothing", "class:dresses", "color:navy"]
    assert answer(current, pointer()).newer_bundle_version == ""
    assert answer(before, None).newer_bundle_version == ""


def test_a_filter_of_the_caller_applies_to_what_is_left() -> None:
    request = tags_pb2.GetProductTagsRequest(product_id="p", filter=tags_pb2.TagFilter(facets=["color"]))

    found = answer(Stored(payload(CLOTHES), 1, None, 6), pointer(blocked=("color:navy",), blocked_sequence=7), request)

    assert names(found.tags) == []


def gone(tags: TagSet, *blocked: str, schema=SCHEMA) -> set[str]:
    return without_blocked(
        {each.tag: each.source for each in tags.tags}, {each.tag: each.source for each in tags.review}, blocked, schema
    )


def test_only_what_depends_on_a_blocked_tag_goes_with_it() -> None:
    assert gone(CLOTHES, "color:navy") == {"color:navy"}
    assert gone(CLOTHES, "class:dresses") == {"class:dresses"}
    assert gone(CLOTHES, "segment:clothing") == {"segment:clothing", "class:dresses", "color:navy"}
    assert gone(CLOTHES, "segment:clothing", schema=None) == {"segment:clothing"}
    assert gone(CLOTHES, "color:red") == set()
    # Already without a parent when it was stored, by another schema: that is nothing which the block changes.
    assert gone(TagSet((scored("class:shoes"), scored("color:red")), ()), "color:red") == {"color:red"}


def test_a_tag_that_a_rule_added_goes_with_its_cause_and_a_cause_with_what_it_implies() -> None:
    games = TagSet(
        (
            scored("segment:games"),
            scored("class:software"),
            scored("genre:action", source=Source.RULE),
            scored("genre:rpg"),
            scored("genre:indie", source=Source.RULE),
        ),
        (),
    )

    assert gone(games, "genre:rpg") == {"genre:rpg", "genre:indie"}
    assert gone(games, "genre:action") == {"genre:action", "class:software"}


def test_what_a_person_decided_goes_only_if_it_is_blocked_itself() -> None:
    decided = TagSet((scored("segment:clothing"), scored("color:red", source=Source.HUMAN)), ())

    assert gone(decided, "segment:clothing") == {"segment:clothing"}
    assert gone(decided, "color:red") == {"color:red"}


def test_a_decision_does_not_bring_a_blocked_tag_back() -> None:
    blocked = tiny_schema(blocked=("color:red",))
    decisions = (Decision("color:red", True), Decision("genre:rpg", True))

    found = apply_decisions(TagSet((scored("color:navy"),), ()), decisions, blocked)

    assert [each.tag for each in found.tags] == ["color:navy", "genre:rpg"]
    assert apply_decisions(TagSet((), ()), decisions[:1], blocked).no_tags is NoTags.LOW_CONFIDENCE
    assert decode_tags(payload(CLOTHES)).tags == CLOTHES

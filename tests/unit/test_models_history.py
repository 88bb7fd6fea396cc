"""The order of decisions: who is in use, what is void, and since when tags are blocked."""

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangtag.models import Decision, History, Kind, ModelsError, ModelsTopicError, Pointer, blocks_after

A, B, C = "a" * 64, "b" * 64, "c" * 64


def decision(number: int, expects: int, version: str = A, **changes) -> Decision:
    made = Decision(
        decision_id=f"{number:032x}",
        route="default",
        kind=Kind.PROMOTE,
        expects=expects,
        bundle_version=version,
        integrity=version,
        blocked=(),
        actor="u-1",
        reason="a test",
        at_ms=1_000 * number,
    )
    return replace(made, **changes)


def test_of_decisions_made_on_the_same_sequence_the_first_counts():
    history = History([(0, decision(1, 0, A)), (1, decision(2, 1, B)), (2, decision(3, 1, C))])

    assert [entry.pointer and entry.pointer.sequence for entry in history.entries] == [1, 2, None]
    assert history.current().bundle_version == B


def test_a_sequence_is_the_offset_plus_one_whatever_is_between():
    history = History([(4, decision(1, 0)), (5, None), (9, decision(2, 5, B))])

    assert [entry.pointer.sequence for entry in history.valid()] == [5, 10]


def test_each_route_has_its_own_order():
    history = History([(0, decision(1, 0)), (1, decision(2, 0, B, route="de")), (2, decision(3, 1, C))])

    assert {route: history.current(route).sequence for route in history.routes} == {"de": 2, "default": 3}


def test_blocked_sequence_is_that_of_the_last_change_of_blocked_tags():
    red, both = ("color:red",), ("color:blue", "color:red")
    records = [
        (0, decision(1, 0, A)),
        (1, decision(2, 1, A, blocked=red)),
        (2, decision(3, 2, B, blocked=red)),
        (3, decision(4, 3, A, blocked=both)),
        (4, decision(5, 4, A, blocked=both[::-1])),
        (5, decision(6, 5, A)),
    ]

    assert [entry.pointer.blocked_sequence for entry in History(records).valid()] == [1, 2, 2, 4, 4, 6]


def test_times_never_fall_though_clocks_differ():
    history = History([(0, decision(1, 0, at_ms=9_000)), (1, decision(2, 1, B, at_ms=2_000))])

    assert history.current().at_ms == 9_000
    assert history.at(8_999) is None
    assert history.at(9_000).pointer.bundle_version == B


def test_the_former_is_the_last_of_another_bundle():
    history = History([(0, decision(1, 0, A)), (1, decision(2, 1, B)), (2, decision(3, 2, B, blocked=("color:red",)))])

    assert history.former().bundle_version == A
    assert History([(0, decision(1, 0, A))]).former() is None


@given(st.lists(st.tuples(st.integers(0, 12), st.sampled_from([A, B, C])), max_size=12))
def test_every_decision_that_counts_was_made_on_the_one_before(made):
    history = History((offset, decision(offset, expects, version)) for offset, (expects, version) in enumerate(made))

    before = 0
    for entry in history.entries:
        assert (entry.pointer is not None) == (entry.decision.expects == before)
        before = entry.pointer.sequence if entry.pointer else before


def test_bytes_say_what_the_decision_says():
    made = decision(1, 3, blocked=("color:red",))

    assert Decision.of(made.to_bytes()) == made


@pytest.mark.parametrize(
    "change",
    [
        {"expects": "1"},
        {"bundle_version": "x"},
        {"route": "De fault"},
        {"kind": "other"},
        {"decision_id": ""},
        {"format": 0},
    ],
)
def test_a_record_that_is_no_decision_counts_for_nobody(change):
    value = orjson.dumps({**orjson.loads(decision(1, 0).to_bytes()), **change})

    assert Decision.of(value) is None
    assert Decision.of(None) is Decision.of(b"{") is Decision.of(b"[]") is None


def test_a_decision_of_a_newer_release_is_an_error():
    value = orjson.dumps({**orjson.loads(decision(1, 0).to_bytes()), "format": 2})

    with pytest.raises(ModelsTopicError, match="upgrade hangtag"):
        Decision.of(value)


def test_a_pointer_survives_its_json():
    pointer = Pointer("default", 7, A, B, ("color:red",), 3, 12)

    assert Pointer.of(pointer.to_json()) == pointer
    with pytest.raises(ModelsError, match="upgrade hangtag"):
        Pointer.of(pointer.to_json().replace('"format": 1', '"format": 2'))


def test_blocks_stay_in_force_until_they_are_lifted_by_name():
    before = Pointer("default", 7, A, A, ("color:nude", "color:red"), 3, 12)

    assert blocks_after(before, ["color:blue"]) == {"color:blue", "color:nude", "color:red"}
    assert blocks_after(before, [], unblock=["color:red"], block=["genre:rpg"]) == {"color:nude", "genre:rpg"}
    with pytest.raises(ModelsError, match="color:blue is not blocked"):
        blocks_after(before, [], unblock=["color:blue"])
    with pytest.raises(ModelsError, match="own schema blocks color:red"):
        blocks_after(before, ["color:red"], unblock=["color:red"])


@pytest.mark.parametrize(("field", "value"), [("bundle_version", "../../etc"), ("integrity", ""), ("route", "../x")])
def test_a_pointer_that_could_become_another_path_is_none(field, value):
    pointer = Pointer("default", 7, A, B, (), 3, 12)

    with pytest.raises(ModelsError):
        Pointer.of(orjson.dumps({**orjson.loads(pointer.to_json()), field: value}))

"""Dead letters for people: places, times, filters, resolutions, the order of reading, and what may be sent again."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangtag.letters import (
    DROPPED,
    REPLAYED,
    Letter,
    LetterError,
    Place,
    ReplayRules,
    Resolution,
    Selection,
    backwards,
    is_resolution,
    iso_time,
    newest_first,
    parse_time,
)
from hangtag.records import EventError, Partition, Record, Replay, dead_letter_of, decode_event

TOPIC = "products.deadletter"
DAY_MS = 86_400_000
NOW = 1_800_000_000_000
EVENT = b'{"product": {"product_id": "p1", "title": "red dress"}}'


def letter_record(
    offset=5, *, partition=0, sent_ms=NOW, written_ms=NOW, stage="forward", headers=(), **others
) -> Record:
    """The record of a dead letter, as a worker writes it."""
    reason = {"error": "ValueError", "message": "engine said no", "attempts": 2, "bundle_version": "ab", **others}
    record = Record(Partition("products.events", 3), 17, sent_ms, b"p1", EVENT, tuple(headers))
    found = dead_letter_of(record, group="g", stage=stage, **reason)
    return Record(Partition(TOPIC, partition), offset, written_ms, found.key, found.value, tuple(found.headers))


def letter(**how) -> Letter:
    return Letter.of(letter_record(**how))


def resolution_record(offset: int, of: int, what=REPLAYED, partition=0) -> Record:
    headers = Resolution(what, Place(TOPIC, partition, of), "ann", NOW, "why").headers()
    return Record(Partition(TOPIC, partition), offset, NOW, b"p1", b"", tuple(headers))


@pytest.mark.parametrize("text", ["products.deadletter-3@12", "3@12", " 3@12 "])
def test_a_place_is_read_with_or_without_the_topic(text):
    place = Place.parse(text, TOPIC)

    assert place == Place(TOPIC, 3, 12)
    assert Place.parse(str(place), TOPIC) == place == Place.parse(place.short, TOPIC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("products.events-3@17", "not in products.deadletter"), ("12", "0@12"), ("-1@2", "0@12"), ("1@-2", "0@12")],
)
def test_what_is_not_a_place_says_how_to_write_one(text, expected):
    with pytest.raises(LetterError, match=expected):
        Place.parse(text, TOPIC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", NOW - 90_000),
        ("2h", NOW - 7_200_000),
        ("7d", NOW - 7 * DAY_MS),
        ("2026-11-24T09:30:00Z", 1_795_512_600_000),
        ("2026-11-24T10:30:00+01:00", 1_795_512_600_000),
        ("2026-11-24 09:30", 1_795_512_600_000),
    ],
)
def test_times_are_iso_times_or_durations(text, expected, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert parse_time(text, NOW) == expected
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("text", ["", "yesterday", "2 hours", "-2h", "2026-13-01"])
def test_what_is_not_a_time_says_how_to_write_one(text):
    with pytest.raises(LetterError, match="7d"):
        parse_time(text, NOW)


def test_times_are_shown_in_utc_and_unknown_ones_not_at_all():
    assert iso_time(1_795_512_600_999) == "2026-11-24T09:30:00Z"
    assert iso_time(-1) == iso_time(10**18) == ""


@pytest.mark.parametrize(
    ("selection", "fits"),
    [
        (Selection(), True),
        (Selection(stage="forward"), True),
        (Selection(stage="decode"), False),
        (Selection(reason="ENGINE said"), True),
        (Selection(reason="valueerr"), True),
        (Selection(reason="red dress"), False),
        (Selection(product_id="p1"), True),
        (Selection(product_id="p"), False),
        (Selection(since_ms=NOW), True),
        (Selection(since_ms=NOW + 1), False),
        (Selection(until_ms=NOW), False),
        (Selection(until_ms=NOW + 1), True),
        (Selection(places=frozenset({Place(TOPIC, 0, 5)})), True),
        (Selection(places=frozenset({Place(TOPIC, 1, 5)})), False),
        (Selection(stage="forward", reason="no such words"), False),
    ],
)
def test_a_selection_fits_what_fits_all_that_is_given(selection, fits):
    assert selection.fits(letter()) is fits
    assert selection.is_open is (selection == Selection())


def test_a_letter_has_only_the_headers_of_hangtag_and_none_of_the_value():
    found = letter(headers=[("content-type", b"application/json"), ("trace", None)])

    assert found.own.keys() == {
        *("topic", "partition", "offset", "timestamp", "group", "stage", "error", "message", "attempts"),
        "bundle_version",
    }
    assert (found.product_id, found.stage, found.error, found.message) == (
        "p1",
        "forward",
        "ValueError",
        "engine said no",
    )
    assert "red dress" not in repr(found)


def test_a_letter_without_a_key_has_the_product_id_in_its_value():
    record = letter_record()._replace(key=None, value=b'{"product": {"product_id": "p9"', headers=())

    assert Letter.of(record).product_id == "p9"
    assert Letter.of(record._replace(key=b"p\xff")).product_id == "p\ufffd"


@pytest.mark.parametrize("what", [REPLAYED, DROPPED])
def test_a_resolution_is_read_as_it_was_written(what):
    record = resolution_record(9, 5, what)

    assert is_resolution(record.headers)
    assert Resolution.of(record) == Resolution(what, Place(TOPIC, 0, 5), "ann", NOW, "why")
    assert not is_resolution(letter_record().headers)


@pytest.mark.parametrize(
    "record",
    [
        resolution_record(9, 9),
        resolution_record(9, 10),
        resolution_record(9, 5, ""),
        resolution_record(9, 5)._replace(partition=Partition(TOPIC, 1)),
        resolution_record(9, 5)._replace(partition=Partition("copy", 0)),
        resolution_record(9, 5)._replace(headers=(("hangtag.resolution", b"dropped"),)),
    ],
)
def test_a_resolution_that_names_no_earlier_letter_of_its_partition_resolves_nothing(record):
    assert Resolution.of(record) is None


histories = st.lists(st.lists(st.integers(0, 999), max_size=60).map(tuple), min_size=1, max_size=3)


@given(histories, st.integers(0, 8), st.data())
def test_each_letter_comes_once_newest_first_with_its_newest_resolution(histories, tail, data):
    """Numbers below 700 are letters, the others resolutions of a letter before them."""
    topic: dict[int, list[Record]] = {}
    expected: dict[Place, str | None] = {}
    for number, numbers in enumerate(histories):
        records = topic.setdefault(number, [])
        letters: list[int] = []
        for offset, kind in enumerate(numbers):
            if kind < 700 or not letters:
                records.append(letter_record(offset, partition=number, written_ms=offset))
                letters.append(offset)
                expected[Place(TOPIC, number, offset)] = None
            else:
                of, what = letters[kind % len(letters)], (REPLAYED, DROPPED)[kind % 2]
                records.append(resolution_record(offset, of, what, number))
                expected[Place(TOPIC, number, of)] = what
    begins = {number: data.draw(st.integers(0, len(records) // 2)) for number, records in topic.items()}
    starts = {number: max(begins[number], len(records) - tail) for number, records in topic.items()}
    last = [record for number, records in topic.items() for record in records[starts[number] :]]

    with pytest.MonkeyPatch.context() as small_windows:
        small_windows.setattr(backwards, "_FIRST", 2)
        small_windows.setattr(backwards, "_MOST", 5)
        found = list(newest_first(last, starts, begins, lambda number, first, behind: topic[number][first:behind]))

    assert {each.place: None if how is None else how.what for each, how in found} == {
        place: what for place, what in expected.items() if place.offset >= begins[place.partition]
    }
    assert len({each.place for each, _ in found}) == len(found)
    assert [each.written_ms for each, _ in found] == sorted((each.written_ms for each, _ in found), reverse=True)


def test_only_as_much_is_read_as_is_asked_for():
    records = [letter_record(offset, written_ms=offset) for offset in range(50_000)]
    read: list[tuple[int, int]] = []

    def window(_: int, first: int, behind: int) -> list[Record]:
        read.append((first, behind))
        return records[first:behind]

    found = newest_first(records[-10:], {0: 49_990}, {0: 0}, window)

    assert [next(found)[0].place.offset for _ in range(12)] == list(range(49_999, 49_987, -1))
    assert sum(behind - first for first, behind in read) < 1_000


RULES = ReplayRules(NOW, 7 * DAY_MS)


@pytest.mark.parametrize(
    ("age_ms", "is_refused"), [(0, False), (7 * DAY_MS - 1, False), (7 * DAY_MS, False), (7 * DAY_MS + 1, True)]
)
def test_a_record_older_than_deletions_are_kept_is_not_sent_again(age_ms, is_refused):
    old = letter(sent_ms=NOW - age_ms)

    refusal = RULES.refusal(old, None)

    assert (refusal is not None) is is_refused
    assert refusal is None or ("7 days" in refusal and "--anyway" in refusal)
    assert ReplayRules(NOW, 7 * DAY_MS, anyway=True).refusal(old, None) is None


def test_the_clock_decides_and_not_when_it_became_a_letter():
    stuck = letter(sent_ms=NOW - 8 * DAY_MS, written_ms=NOW)

    assert RULES.refusal(stuck, None) is not None
    assert ReplayRules(NOW - 2 * DAY_MS, 7 * DAY_MS).refusal(stuck, None) is None


def test_a_sender_whose_clock_is_ahead_does_not_make_its_records_younger():
    ahead = letter(sent_ms=NOW + 30 * DAY_MS, written_ms=NOW - 8 * DAY_MS)

    assert RULES.refusal(ahead, None) is not None
    assert ahead.timestamp_ms == NOW + 30 * DAY_MS, "what an event without a version gets as its version stays the same"


def test_sending_a_record_again_does_not_make_it_younger():
    replayed = Replay("ann", NOW - DAY_MS, "products.deadletter-0@1", NOW - 8 * DAY_MS, 1)
    again = letter(sent_ms=NOW - DAY_MS, headers=replayed.headers())

    assert again.first_sent_ms == NOW - 8 * DAY_MS
    assert "7 days" in ReplayRules(NOW, 7 * DAY_MS, again=True).refusal(again, None)


def test_a_record_without_a_time_is_sent_only_anyway():
    assert "not known" in RULES.refusal(letter(sent_ms=-1), None)
    assert ReplayRules(NOW, DAY_MS, anyway=True).refusal(letter(sent_ms=-1), None) is None


@pytest.mark.parametrize("what", [REPLAYED, DROPPED])
def test_a_letter_that_was_handled_is_sent_again_only_on_request(what):
    handled = Resolution(what, Place(TOPIC, 0, 5), "ann", NOW, "")

    assert "--again" in RULES.refusal(letter(), handled)
    assert ReplayRules(NOW, DAY_MS, again=True).refusal(letter(), handled) is None


def test_a_record_that_failed_again_is_sent_again_only_on_request():
    """Else a scheduled replay would send what can never be tagged for ever."""
    failed = letter(headers=Replay("ann", NOW, "products.deadletter-0@1", NOW, 1).headers())

    assert "failed again" in RULES.refusal(failed, None)
    assert ReplayRules(NOW, DAY_MS, again=True).refusal(failed, None) is None


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (letter_record(stage="read"), "let the sender produce"),
        (letter_record(headers=[("hangtag.truncated", b"value")]), "truncated"),
        (letter_record()._replace(headers=(("other", b"x"),)), "not a dead letter of Hangtag"),
    ],
)
def test_what_is_not_a_complete_event_is_never_sent(record, expected):
    everything = ReplayRules(NOW, DAY_MS, anyway=True, again=True)

    assert expected in everything.refusal(Letter.of(record), None)


@given(st.text(max_size=20), st.integers(0, 2**62), st.text(max_size=20), st.integers(-1, 2**62), st.integers(1, 99))
def test_what_is_said_about_a_replay_is_read_as_it_was_written(by, at_ms, origin, timestamp_ms, times):
    replay = Replay(by, at_ms, origin, timestamp_ms, times)

    assert Replay.of([("trace", b"x"), *replay.headers()]) == replay
    assert Replay.of([("trace", b"x")]) is None


def test_a_dead_letter_of_a_replayed_record_says_who_sent_it_again():
    replay = Replay("ann", NOW, "products.deadletter-0@1", NOW - 5, 2)

    assert letter(headers=replay.headers()).replay == replay


def test_an_event_without_a_version_gets_the_same_one_when_it_is_sent_again():
    """Else the time of the replay would be its version, and an old text would replace a newer one."""
    first = decode_event(EVENT, b"p1", (), NOW, 1_000_000)
    replay = Replay("ann", NOW + DAY_MS, "products.deadletter-0@1", NOW, 1)

    again = decode_event(EVENT, b"p1", replay.headers(), NOW + DAY_MS, 1_000_000)

    assert again == first
    with pytest.raises(EventError, match="version"):
        decode_event(EVENT, b"p1", replay._replace(timestamp_ms=-1).headers(), NOW, 1_000_000)

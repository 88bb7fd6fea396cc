"""The newest entry of each product, and the files of an export."""

import json
import time

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hangtag.cli.exporting import open_exporting
from hangtag.export import ExportError, NewestEntries, open_file, row_of
from hangtag.records.tagged import TaggedProduct, encode_tags
from hangtag.settings import KafkaSettings
from hangtag.store import Entry
from hangtag.tags.tagset import ScoredTag, Source, TagSet
from hangtag.tags.thresholds import Band

BUNDLE = "a" * 64


def payload(product_id: str, version: int, *tags: str) -> bytes:
    scored = tuple(ScoredTag(tag, 0.9, Source.MODEL, Band.AUTO) for tag in tags)
    return encode_tags(TaggedProduct(product_id, version, TagSet(scored, ()), BUNDLE, 1_700_000_000_123))


def tagged(product_id: str, version: int, sequence: int = 0, revision: int = 0) -> Entry:
    text = payload(product_id, version, f"f:{sequence}-{revision}")
    return Entry(product_id, version, text, sequence=sequence, revision=revision)


ENTRIES = st.one_of(
    st.builds(Entry.deletion, st.sampled_from("pqr"), st.integers(0, 3)),
    st.builds(tagged, st.sampled_from("pqr"), st.integers(0, 3), st.integers(0, 2), st.integers(0, 2)),
)


@given(chunks=st.lists(st.lists(ENTRIES, max_size=6), max_size=4))
def test_the_newest_is_kept_in_whatever_order_entries_come(chunks):
    newest: dict[str, Entry] = {}
    for entry in (each for chunk in chunks for each in chunk):
        if entry.product_id not in newest or entry.rank >= newest[entry.product_id].rank:
            newest[entry.product_id] = entry

    with NewestEntries(":memory:", "t") as kept:
        for chunk in chunks:
            kept.take(chunk, {})
        found = list(kept.stored())

    left = [newest[each] for each in sorted(newest) if not newest[each].is_deletion]
    assert found == [(each.payload, each.sequence, each.revision) for each in left]


def test_a_deleted_product_is_left_out_and_an_older_version_does_not_bring_it_back():
    with NewestEntries(":memory:", "t") as kept:
        kept.take([tagged("p", 1), tagged("q", 1), Entry.deletion("p", 2)], {})
        kept.take([tagged("p", 2), tagged("p", 1)], {})

        assert [row_of(*each)["product_id"] for each in kept.stored()] == ["q"]
        assert kept.count() == 1


def test_a_stopped_export_is_continued_but_not_over_another_topic(tmp_path):
    work = tmp_path / "tags.jsonl.work"
    with NewestEntries(work, "topic-1") as kept:
        kept.take([tagged("p", 1)], {0: 7, 1: 0})
    with NewestEntries(work, "topic-1") as again:
        assert (again.positions, again.count()) == ({0: 7, 1: 0}, 1)
    with NewestEntries(work, "topic-2") as other:
        assert (other.positions, other.count()) == ({}, 0)
        other.discard()
    assert not work.exists()


def test_a_work_file_of_yesterday_is_begun_again(tmp_path, monkeypatch):
    """Deletions that the topic has forgotten since would be missing."""
    with NewestEntries(tmp_path / "work", "t") as kept:
        kept.take([tagged("p", 1)], {0: 7})
    tomorrow = time.time() + 86_401
    monkeypatch.setattr("hangtag.export.newest.time.time", lambda: tomorrow)

    with NewestEntries(tmp_path / "work", "t") as again:
        assert (again.positions, again.count()) == ({}, 0)


def test_two_exports_do_not_share_a_work_file(tmp_path):
    with NewestEntries(tmp_path / "work", "t"), pytest.raises(ExportError, match="locked.*no other export"):
        NewestEntries(tmp_path / "work", "t")


def test_a_foreign_work_file_is_refused(tmp_path):
    (tmp_path / "work").write_text("something else " * 100)

    with pytest.raises(ExportError, match="not a database"):
        NewestEntries(tmp_path / "work", "t")


def test_both_formats_hold_the_same_rows(tmp_path):
    rows = [row_of(payload("p", 1, "color:red", "class:boots"), 4, 5), row_of(payload("ü", 2**53 + 1), 0, 0)]

    for name in ("tags.jsonl", "tags.parquet"):
        with open_file(tmp_path / name, {"hangtag.offsets": '{"0":3}'}) as write:
            write(rows)

    lines = [json.loads(line) for line in (tmp_path / "tags.jsonl").read_text("utf-8").splitlines()]
    assert lines == rows
    assert lines[0]["tags"][0] == {"facet": "color", "value": "red", "confidence": 0.9, "source": "MODEL"}
    assert lines[1]["no_tags_reason"] == "LOW_CONFIDENCE"
    table = pq.read_table(tmp_path / "tags.parquet")
    assert table.schema.metadata[b"hangtag.offsets"] == b'{"0":3}'
    found = table.to_pylist()
    assert [each["version"] for each in found] == [1, 2**53 + 1]
    assert found[0]["tagged_at"].isoformat() == "2023-11-14T22:13:20.123000+00:00"
    assert [each["value"] for each in found[0]["tags"]] == ["red", "boots"]


@pytest.mark.parametrize("name", ["tags.jsonl", "tags.parquet"])
def test_after_an_error_the_earlier_file_is_still_there(tmp_path, name):
    (tmp_path / name).write_text("earlier")

    with pytest.raises(TypeError), open_file(tmp_path / name, {}) as write:
        write([row_of(payload("p", 1), 0, 0), {"product_id": object()}])

    assert (tmp_path / name).read_text() == "earlier"
    assert [each.name for each in tmp_path.iterdir()] == [name]


def test_another_ending_is_refused_before_anything_is_read(tmp_path):
    nowhere = KafkaSettings(bootstrap="127.0.0.1:1")

    with (
        pytest.raises(ExportError, match=r"tags\.csv: the name must end in \.jsonl or \.parquet"),
        open_exporting(nowhere, tmp_path / "tags.csv", restart=False),
    ):
        pass


def test_a_full_disk_is_an_error_that_says_so(tmp_path):
    with NewestEntries(tmp_path / "work", "t") as kept:
        kept._file.execute("PRAGMA max_page_count = 8")

        with pytest.raises(ExportError, match="full"):
            kept.take([tagged(f"p{number}", 1) for number in range(5_000)], {0: 1})
        assert kept.positions == {}

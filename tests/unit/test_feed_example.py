"""docs/examples/feed.py keeps the newest tags of each product, whatever it reads in which order."""

import runpy
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from hangtag.records.tagged import TaggedProduct, encode_tags
from hangtag.store import Entry
from hangtag.tags.tagset import ScoredTag, Source, TagSet
from hangtag.tags.thresholds import Band
from hangtag.write import record_of

FEED = runpy.run_path(str(Path(__file__).resolve().parents[2] / "docs" / "examples" / "feed.py"))


def tagged(product_id: str, version: int, sequence: int = 0, revision: int = 0) -> Entry:
    tags = TagSet((ScoredTag(f"f:{version}-{sequence}-{revision}", 0.9, Source.MODEL, Band.AUTO),), ())
    payload = encode_tags(TaggedProduct(product_id, version, tags, "a" * 64, 0))
    return Entry(product_id, version, payload, sequence=sequence, revision=revision)


def records(entries: list[Entry]) -> Iterator[SimpleNamespace]:
    for entry in entries:
        key, value, headers = record_of(entry)
        yield SimpleNamespace(key=key, value=value, headers=list(headers))


ENTRIES = st.one_of(
    st.builds(Entry.deletion, st.sampled_from("pq"), st.integers(0, 2)),
    st.builds(tagged, st.sampled_from("pq"), st.integers(0, 2), st.integers(0, 1), st.integers(0, 1)),
)


@given(chunks=st.lists(st.lists(ENTRIES, max_size=5), max_size=4))
def test_the_newest_counts_in_whatever_order_records_come(chunks):
    newest: dict[str, Entry] = {}
    for entry in (each for chunk in chunks for each in chunk):
        if entry.product_id not in newest or entry.rank >= newest[entry.product_id].rank:
            newest[entry.product_id] = entry
    index = FEED["Index"](":memory:")
    with closing(index.file):
        for number, chunk in enumerate(chunks):
            index.take(records(chunk), {0: number}, "topic")
        found = list(index.file.execute("SELECT id, facet, value FROM tags ORDER BY id"))

    left = [newest[each] for each in sorted(newest) if not newest[each].is_deletion]
    assert found == [(each.product_id, "f", f"{each.version}-{each.sequence}-{each.revision}") for each in left]


def test_a_deleted_product_is_not_found_and_an_older_record_does_not_bring_it_back():
    index = FEED["Index"](":memory:")
    with closing(index.file):
        index.take(records([tagged("p", 1), Entry.deletion("p", 1), tagged("p", 1)]), {0: 3}, "topic")

        assert index.find(["f:1-0-0"]) == []


def test_records_of_others_are_passed_over():
    index = FEED["Index"](":memory:")
    with closing(index.file):
        index.take([SimpleNamespace(key=b"p", value=b"something", headers=[])], {0: 1}, "topic")

        assert index.where_to_go_on("topic") == {0: 1}

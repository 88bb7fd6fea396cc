"""A snapshot holds the whole index, and whatever is wrong with a file is noticed."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hangtag.index import Change, Index, Query, SnapshotError, snapshot
from hangtag.index.snapshot import Place, read_snapshot, write_snapshot
from hangtag.store import Entry
from tests.unit.index.making import FACETS, TAGS, entries, entry

PLACE = Place("topic-1", {0: 17, 1: 0}, 1_700_000_000_000)


def filled(*found: Entry) -> Index:
    index = Index()
    index.take([Change.of(each) for each in found])
    index.build()
    return index


def read_and_built(path) -> Index:
    index, _ = read_snapshot(path)
    index.build()
    return index


def content(index: Index) -> dict:
    view = index.view()
    return {
        product_id: (view.version_of(number), view.tags_of(number))
        for number in view.products
        for product_id in view.ids([number])
    }


@given(st.lists(entries(), max_size=40), st.lists(entries(), max_size=10))
@settings(max_examples=20)
def test_what_is_read_is_what_was_written_and_goes_on_from_there(tmp_path_factory, before, after):
    path = tmp_path_factory.mktemp("index") / "index.snapshot"
    index = filled(*before)

    size = write_snapshot(path, index, PLACE)
    found, place = read_snapshot(path)
    found.build()

    assert (place, size) == (PLACE, path.stat().st_size)
    assert content(found) == content(index)
    for each in (found, index):
        each.take([Change.of(entry) for entry in after])
    assert content(found) == content(index)
    queries = [Query(all_of=(tag,)) for tag in TAGS]
    assert [found.view().counts(query, facets=FACETS) for query in queries] == [
        index.view().counts(query, facets=FACETS) for query in queries
    ]


def test_there_may_be_none(tmp_path):
    assert read_snapshot(tmp_path / "missing") is None


def test_a_file_that_is_cut_or_changed_anywhere_is_refused(tmp_path):
    path = tmp_path / "index.snapshot"
    write_snapshot(path, filled(entry("p", 1, {"color:red": 0.9}), Entry.deletion("q", 4)), PLACE)
    whole = path.read_bytes()

    for at in range(len(whole)):
        for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]):
            path.write_bytes(damaged)
            with pytest.raises(SnapshotError):
                read_snapshot(path)


def test_another_format_is_refused_by_name(tmp_path, monkeypatch):
    path = tmp_path / "index.snapshot"
    monkeypatch.setattr("hangtag.index.snapshot.FORMAT", 3)
    write_snapshot(path, filled(), PLACE)
    monkeypatch.undo()

    with pytest.raises(SnapshotError, match="it has format 3, this release reads 1 to 2"):
        read_snapshot(path)


def test_a_snapshot_of_the_format_before_is_read(tmp_path, monkeypatch):
    """Format 1 had 64 bits for what is narrow now."""
    path, narrow = tmp_path / "index.snapshot", snapshot._arrays
    wide = ("ends", "sequences", "revisions")
    index = filled(entry("p", 1, {"color:red": 0.9}, sequence=1), entry("q", 3, {}, {"class:boots": 0.4}, revision=2))
    with monkeypatch.context() as patch:
        patch.setattr(snapshot, "FORMAT", 1)
        patch.setattr(
            snapshot,
            "_arrays",
            lambda index: narrow(index) | {name: narrow(index)[name].astype(np.int64) for name in wide},
        )
        write_snapshot(path, index, PLACE)
    assert b'"format":1' in path.read_bytes()
    assert b'["ends","int64",2]' in path.read_bytes()

    found, place = read_snapshot(path)
    found.build()

    assert (place, content(found)) == (PLACE, content(index))
    assert [found.rows.rank(number) for number in (0, 1)] == [(1, False, 1, 0), (3, False, 0, 2)]
    older = Change.of(entry("q", 3, {"color:red": 0.9}, revision=1))
    assert [each.take([older]) for each in (found, index)] == [0, 0]
    write_snapshot(path, found, PLACE)
    assert b'"format":2' in path.read_bytes()
    assert content(read_and_built(path)) == content(index)


def test_a_process_that_is_killed_while_it_writes_leaves_the_snapshot_before(tmp_path):
    path = tmp_path / "index.snapshot"
    write_snapshot(path, filled(entry("p", 1, {"color:red": 0.9})), PLACE)
    program = """
import os, signal, sys
from pathlib import Path
from hangtag.index import Index
from hangtag.index import snapshot
def die(_):
    os.kill(os.getpid(), signal.SIGKILL)
snapshot.os.fsync = die
snapshot.write_snapshot(Path(sys.argv[1]), Index(), snapshot.Place("topic-1", {0: 99}, 0))
"""

    done = subprocess.run([sys.executable, "-c", program, str(path)], check=False)

    assert done.returncode == -9
    assert (tmp_path / "index.unfinished").exists()
    index, place = read_snapshot(path)
    index.build()
    assert (place, content(index).keys()) == (PLACE, {"p"})
    write_snapshot(path, index, PLACE)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["index.snapshot"]

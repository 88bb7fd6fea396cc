"""A re-tag of Parquet files: tagged in pieces, on Ray or without it, and loaded with `hangtag rebuild --from`."""

import importlib.util
import json
import os
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed (extra export)")
pq = pytest.importorskip("pyarrow.parquet")

from hangtag.cli.app import app
from hangtag.cli.errors import CommandError
from hangtag.cli.retag import loading
from hangtag.cli.retag.on_ray.fragments import Fragments
from hangtag.cli.retag.on_ray.job import RayRetag, plan
from hangtag.cli.retag.on_ray.piece_tagger import PieceTagger
from hangtag.models import Pointer, PointerRecord
from hangtag.records import decode_tags
from hangtag.settings import ModelSettings, Settings
from hangtag.store import RedisTagStore, bundle_prefix
from hangtag.tags.decisions import Decision
from hangtag.trainer.recipe.columns import Columns
from hangtag.workers.retag import Retagging
from hangtag.write import KafkaSink, Update, Writes
from tests.integration.retag.parts import (
    ON_TANSU,
    WORDS,
    Killed,
    event,
    formers,
    held,
    listed,
    listed_updates,
    names,
    retag,
    verified,
    write,
)

ROOT = Path(__file__).resolve().parents[3]
pytestmark = [ON_TANSU, pytest.mark.timeout(60)]


def write_files(folder: Path, rows: list[dict[str, Any]], group: int = 7) -> Path:
    """Two Parquet files with row groups of some rows."""
    folder.mkdir(exist_ok=True)
    half = len(rows) // 2
    for name, some in (("a", rows[:half]), ("b", rows[half:])):
        pq.write_table(pa.Table.from_pylist(some), folder / f"{name}.parquet", row_group_size=group)
    return folder


def rows_of(count: int, version: int | None = 1) -> list[dict[str, Any]]:
    return [{"product_id": f"p{number}", "version": version, "title": WORDS[number % 4]} for number in range(count)]


def planned(
    settings: Settings, bundle: Path, files: Path, to: Path, sequence: int = 1, rows_a_piece: int = 5
) -> RayRetag:
    """A re-tag with this bundle."""
    own = settings.model_copy(update={"model": ModelSettings(bundle=str(bundle), engine="cpu", threads=1)})
    columns = Columns(labelled=False)
    return plan(own, str(files), str(to), columns, sequence, is_own=True, rows_a_piece=rows_a_piece)


def tag_here(work: RayRetag, pieces: int | None = None) -> None:
    """What the actors of a cluster do, in this process: these pieces, or all of them."""
    there = Fragments(work.task.to).begin(work.made, restart=False)
    with closing(PieceTagger(work.task)) as tagger:
        for piece in work.pieces[:pieces]:
            if piece.name not in there:
                tagger.tag(piece)


def load_here(settings: Settings, folder: Path) -> Retagging:
    return loading.load(settings, str(folder), creates=False, restart=False)


def load(folder: Path, *more: str, code: int = 0) -> Any:
    done = CliRunner().invoke(app, ["rebuild", "--from", str(folder), *more, "--json"])
    assert done.exit_code == code, done.output
    return json.loads(done.stdout) if not code else str(done.exception)


@pytest.mark.timeout(300)
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed (extra ray)")
def test_ray_tags_what_is_not_there_yet_and_a_rebuild_stores_it(settings, bundles, taggers, tmp_path):
    first, second = taggers
    listed(settings, first, *(event(f"p{number}", title=WORDS[number % 4]) for number in range(40)))
    before = held(settings, *(f"p{number}" for number in range(40)))
    files, to = write_files(tmp_path / "files", rows_of(42)), tmp_path / "tagged"
    command = ["--on", "ray", "--from", str(files), "--to", str(to), "--bundle", str(bundles[1]), "--sequence", "1"]
    # As a run that ended early leaves it.
    tag_here(planned(settings, bundles[1], files, to, rows_a_piece=10_000), 1)

    done = subprocess.run(
        [sys.executable, "-m", "hangtag.cli", "retag", *command, "--json"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert (counts["actors"], counts["there"], counts["written"], counts["tagged"]) == (1, 1, 5, 35)
    loaded = load(to)
    assert (loaded["written"], loaded["not_there"], loaded["computed"]) == (40, 2, 0)
    after = held(settings, *(f"p{number}" for number in range(40)))
    assert [names(each) for each in after[:4]] == [
        {tag.tag for tag in (*tags.tags, *tags.review)} for tags in second(list(WORDS))
    ]
    assert {(each.sequence, each.bundle_prefix) for each in after} == {(1, bundle_prefix(second.bundle.version))}
    assert retag("undo", "--sequence", "2")["restored"] == 40
    assert [each.payload for each in held(settings, *(f"p{number}" for number in range(40)))] == [
        each.payload for each in before
    ]
    assert verified() == 0


def test_what_is_newer_deleted_or_decided_stays(settings, bundles, taggers, tmp_path):
    first, second = taggers
    events = {name: event(name, 2) for name in ("plain", "newer", "deleted", "decided", "later")}
    listed(settings, first, *events.values())
    [newer] = listed_updates(first, event("newer", 3, "cat food"))
    write(settings, newer, Update("deleted", 3, None))
    listed(settings, first, event("later", 2), sequence=5)
    decision = Decision("color:navy", is_accepted=True)
    with closing(RedisTagStore(settings.redis)) as store, closing(KafkaSink(settings.kafka)) as sink:
        [found] = store.read(["decided"])
        person = Update.of(found).entry([decision], 1_700_000_000_000)
        store.write([person])
        Writes.of_stored([person]).run(store, sink)
    before = held(settings, *events)
    # Of `plain` the file does not say the version: its text is that of the stored tags.
    rows = [
        {"product_id": name, "version": None if name == "plain" else 2, "title": "red dress"}
        for name in (*events, "unknown")
    ]
    work = planned(settings, bundles[1], write_files(tmp_path / "files", rows), tmp_path / "tagged")
    tag_here(work)

    counts = load(tmp_path / "tagged")

    after = dict(zip(events, held(settings, *events), strict=True))
    assert [after[name] for name in ("newer", "deleted", "later")] == [before[place] for place in (1, 2, 4)]
    assert {after[name].bundle_prefix for name in ("plain", "decided")} == {bundle_prefix(second.bundle.version)}
    assert [(after[name].version, decode_tags(after[name].payload).version) for name in ("plain", "decided")] == [
        (2, 2)
    ] * 2
    assert decode_tags(after["decided"].payload).decisions == (decision,)
    assert (counts["written"], counts["decided"], counts["not_there"]) == (2, 1, 2)
    assert formers(settings) == {"plain", "decided"}
    assert held(settings, "unknown") == [None]
    assert load(tmp_path / "tagged", "--create")["written"] == 1
    assert verified() == 0


def test_a_load_that_is_killed_goes_on_with_the_next_fragment(settings, bundles, taggers, tmp_path, monkeypatch):
    first, second = taggers
    ids = [f"p{number}" for number in range(30)]
    listed(settings, first, *(event(name, title=WORDS[place % 4]) for place, name in enumerate(ids)))
    work = planned(settings, bundles[1], write_files(tmp_path / "files", rows_of(30), group=5), tmp_path / "tagged")
    tag_here(work)
    flush, left = KafkaSink.flush, 4

    def dying(self):
        nonlocal left
        left -= 1
        if not left:
            raise Killed
        flush(self)

    with monkeypatch.context() as patch:
        patch.setattr(KafkaSink, "flush", dying)
        with pytest.raises(Killed):
            load_here(settings, tmp_path / "tagged")

    counts = load(tmp_path / "tagged")

    # What was stored and not noted counts as the same.
    assert 0 < counts["written"] < 30
    assert counts["written"] + counts["same"] == 30
    assert {each.bundle_prefix for each in held(settings, *ids)} == {bundle_prefix(second.bundle.version)}
    assert verified() == 0


def test_a_folder_that_cannot_be_loaded_is_refused_with_what_to_do(
    settings, bundles, topics, redis_settings, tmp_path, monkeypatch
):
    files, to = write_files(tmp_path / "files", rows_of(20)), tmp_path / "tagged"
    assert "name the folder" in load(tmp_path / "files", code=1)
    work = planned(settings, bundles[1], files, to)
    tag_here(work, 3)
    assert "run the same `hangtag retag run --on ray` again" in load(to, code=1)
    other = planned(settings, bundles[0], files, to)
    with pytest.raises(CommandError, match="other bundle version"):
        tag_here(other)
    tag_here(work)

    monkeypatch.setenv("HANGTAG_MODELS__STORE", str(tmp_path / "models"))
    pointer = Pointer("default", 2, other.made.bundle_version, "0" * 64, (), 0, 1)
    with PointerRecord(redis_settings) as record:
        record.write(pointer)
        assert "is in use" in load(to, code=1)
        record.write(replace(pointer, sequence=3, bundle_version=work.made.bundle_version))
    assert load(to)["not_there"] == 20

"""The place for bundles, and what is fetched from it: whole or not at all."""

import os
import resource
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from hangtag.bundle import BundleError, References, ReferenceText, add_references, load_bundle
from hangtag.bundle.files import MANIFEST, MODEL
from hangtag.bundle.redecide import redecide_bundle
from hangtag.models import Facts, LocalModels, LocalModelsError, Pointer, Shelf, ShelfError
from hangtag.tags.thresholds import KeyedThresholds, TagThresholds, Thresholds
from tests.bundles import write_tiny_bundle

FACTS = Facts(pushed_by="u-1", pushed_ms=1)


class FailingFileSystem(MemoryFileSystem):
    """A double of an object store whose connection is lost once `left` bytes were read."""

    protocol = "failing"
    store: ClassVar = {}
    pseudo_dirs: ClassVar = [""]
    left = 1 << 40

    def _open(self, path, mode="rb", **others):
        file = super()._open(path, mode, **others)
        if mode == "rb" and "blobs" in path:
            read = file.read

            def limited(count=-1):
                chunk = read(min(count, 10_000))
                FailingFileSystem.left -= len(chunk)
                if FailingFileSystem.left < 0:
                    message = "the connection was lost"
                    raise ConnectionError(message)
                return chunk

            file.read = limited
        return file


fsspec.register_implementation("failing", FailingFileSystem, clobber=True)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles")
    write_tiny_bundle(folder / "one", 1)
    write_tiny_bundle(folder / "two", 2)
    one = load_bundle(folder / "one")
    redecide_bundle(
        folder / "one",
        folder / "thresholds",
        thresholds=KeyedThresholds.of_products(
            Thresholds(tags=dict.fromkeys(one.schema.tags, TagThresholds(auto=0.5, review=0.1)))
        ),
        calibration=one.calibration,
        recipe={},
        metrics={},
    )
    return folder


@pytest.fixture
def shelf(tmp_path):
    return Shelf(str(tmp_path / "shelf"))


def nothing_partial(folder):
    return [path.name for path in folder.rglob("*") if "partial" in path.name] == []


@pytest.mark.parametrize("url", ["{folder}", "file://{folder}", "memory://{name}"])
def test_what_is_pushed_is_listed_and_fetched_the_same(url, tmp_path, bundles):
    shelf = Shelf(url.format(folder=tmp_path / "shelf", name=tmp_path.name))

    assert shelf.list() == []
    one = shelf.push(bundles / "one", FACTS)
    two = shelf.push(bundles / "two", FACTS.model_copy(update={"pushed_ms": 2}))
    found = tmp_path / "cache" / "two"
    assert shelf.fetch(two.version[:6], found).version == two.version

    assert [each.version for each in shelf.list()] == [one.version, two.version]
    assert shelf.facts(one.version).facts == FACTS
    assert shelf.content(one.version, MANIFEST) == (bundles / "one" / MANIFEST).read_bytes()
    for file in two.files:
        assert (found / file.name).read_bytes() == (bundles / "two" / file.name).read_bytes()


def test_a_second_push_changes_nothing(shelf, bundles):
    first = shelf.push(bundles / "one", FACTS)

    assert shelf.push(bundles / "one", Facts(pushed_by="u-2", pushed_ms=9)) == first
    assert shelf.list() == [first]


def test_bundles_that_share_weights_store_them_once(shelf, bundles, tmp_path):
    shelf.push(bundles / "one", FACTS)
    before = sum(path.stat().st_size for path in (tmp_path / "shelf").rglob("*") if path.is_file())
    pushed = shelf.push(bundles / "thresholds", FACTS)
    after = sum(path.stat().st_size for path in (tmp_path / "shelf").rglob("*") if path.is_file())

    assert after - before < 0.2 * pushed.size
    shelf.fetch(pushed.version, tmp_path / "fetched")
    assert load_bundle(tmp_path / "fetched").version == pushed.version


@pytest.mark.parametrize("name", [MANIFEST, MODEL, "schema.json"])
def test_half_a_bundle_is_never_listed_and_a_push_completes_it(name, shelf, bundles, tmp_path, monkeypatch):
    whole = shelf.push(bundles / "one", FACTS)
    shutil.rmtree(tmp_path / "shelf")
    [stops_at] = [file.sha256 for file in whole.files if file.name == name]
    put_file = shelf._files.put_file

    def interrupted(source, target, **others):
        if target.endswith(stops_at):
            Path(target).write_bytes(b"half")
            message = "interrupted"
            raise OSError(message)
        put_file(source, target, **others)

    monkeypatch.setattr(shelf._files, "put_file", interrupted)
    with pytest.raises(ShelfError, match="interrupted"):
        shelf.push(bundles / "one", FACTS)
    assert shelf.list() == []
    monkeypatch.undo()

    shelf.push(bundles / "one", FACTS)
    assert shelf.fetch(whole.version, tmp_path / "fetched").version == whole.version


def test_a_marker_that_was_cut_is_not_listed(shelf, bundles, tmp_path):
    listed = shelf.push(bundles / "one", FACTS)
    marker = tmp_path / "shelf" / "bundles" / f"{listed.version}.json"
    marker.write_bytes(marker.read_bytes()[:-10])

    assert shelf.list() == []
    with pytest.raises(ShelfError, match="no bundle"):
        shelf.facts(listed.version)


@pytest.mark.parametrize("damage", [lambda data: data[:-1] + b"\0", lambda data: data[:-1], lambda data: data + b"\0"])
def test_a_damaged_file_is_never_fetched(damage, shelf, bundles, tmp_path):
    listed = shelf.push(bundles / "one", FACTS)
    [model] = [file for file in listed.files if file.name == MODEL]
    blob = tmp_path / "shelf" / "blobs" / model.sha256
    blob.write_bytes(damage(blob.read_bytes()))

    with pytest.raises(ShelfError, match=MODEL):
        shelf.fetch(listed.version, tmp_path / "cache" / "one")

    assert not (tmp_path / "cache" / "one").exists()
    assert nothing_partial(tmp_path)


def test_a_store_that_goes_away_in_the_middle_of_a_fetch_leaves_nothing(bundles, tmp_path, monkeypatch):
    shelf, local = Shelf(f"failing://{tmp_path.name}"), LocalModels(tmp_path / "cache")
    listed = shelf.push(bundles / "one", FACTS)
    monkeypatch.setattr(FailingFileSystem, "left", listed.size // 2)

    with pytest.raises(ShelfError, match="the connection was lost"):
        local.get(listed.version, shelf)

    assert not local.path_of(listed.version).exists()
    assert nothing_partial(tmp_path)
    monkeypatch.setattr(FailingFileSystem, "left", 1 << 40)
    assert load_bundle(local.get(listed.version, shelf)).version == listed.version


@contextmanager
def small_disk(limit):
    """Files of this process cannot grow beyond the limit, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_an_error_that_says_how_much_is_needed(shelf, bundles, tmp_path):
    local = LocalModels(tmp_path / "cache")
    listed = shelf.push(bundles / "one", FACTS)

    with small_disk(20_000), pytest.raises(LocalModelsError, match=r"no room for a bundle of \d+ MB.*CACHE_DIR"):
        local.get(listed.version, shelf)

    assert not local.path_of(listed.version).exists()
    assert nothing_partial(tmp_path)


def test_a_folder_that_cannot_be_written_is_named(shelf, bundles, tmp_path):
    listed = shelf.push(bundles / "one", FACTS)
    (tmp_path / "file").write_text("no folder")

    with pytest.raises(LocalModelsError, match=r"file.*HANGTAG_MODELS__CACHE_DIR"):
        LocalModels(tmp_path / "file").get(listed.version, shelf)


def test_a_bundle_of_another_format_is_refused_where_it_is_fetched(shelf, bundles, tmp_path, monkeypatch):
    listed = shelf.push(bundles / "one", FACTS)
    monkeypatch.setattr("hangtag.bundle.load.FORMAT", 3)

    with pytest.raises(BundleError, match="format 2, this hangtag reads format 3"):
        LocalModels(tmp_path / "cache").get(listed.version, shelf)
    assert nothing_partial(tmp_path)


def test_a_fetched_bundle_that_was_damaged_since_is_fetched_again(shelf, bundles, tmp_path):
    local = LocalModels(tmp_path / "cache")
    listed = shelf.push(bundles / "one", FACTS)
    path = local.get(listed.version, shelf)
    (path / MODEL).write_bytes(b"damaged")

    assert load_bundle(local.get(listed.version, shelf)).version == listed.version
    assert nothing_partial(tmp_path)


def test_the_last_good_pointer_is_kept_with_its_bundle(shelf, bundles, tmp_path):
    local = LocalModels(tmp_path / "cache")
    listed = shelf.push(bundles / "one", FACTS)
    pointer = Pointer("default", 4, listed.version, listed.integrity, (), 4, 9)

    assert local.last_good() is None
    local.keep(pointer)
    assert local.last_good() is None
    path = local.get(listed.version, shelf)
    assert local.last_good() == (pointer, path)
    assert local.last_good("de") is None


def test_prune_keeps_what_is_needed_and_the_two_used_last(tmp_path):
    local = LocalModels(tmp_path)
    versions = [f"{number:064x}" for number in range(6)]
    for number, version in enumerate(versions):
        path = local.path_of(version)
        path.mkdir(parents=True)
        (path / MANIFEST).write_text("{}")
        os.utime(path, (number, number))
    local.keep(Pointer("default", 1, versions[0], versions[0], (), 1, 1))
    (tmp_path / "bundles" / f".partial-{versions[1]}-x").mkdir()

    removed = local.prune({versions[1]})

    assert removed == [versions[3], versions[2]]
    assert nothing_partial(tmp_path)


def test_a_url_without_its_library_says_so():
    with pytest.raises(ShelfError, match="Protocol not known"):
        Shelf("nowhere://models")


def test_reference_texts_change_neither_version_nor_answers(bundles, tmp_path):
    one = load_bundle(bundles / "one")
    references = References(texts=(ReferenceText(title="a red dress", tags={"color:red": 0.9}),))

    manifest = add_references(bundles / "one", tmp_path / "with", references)

    assert manifest.version == one.version == load_bundle(tmp_path / "with").version
    assert manifest.integrity != one.manifest.integrity


def test_a_bundle_listed_with_other_reference_texts_stays_as_it_was_pushed(shelf, bundles, tmp_path):
    first = shelf.push(bundles / "one", FACTS)
    references = References(texts=(ReferenceText(title="a red dress"),))
    add_references(bundles / "one", tmp_path / "with", references)

    assert shelf.push(tmp_path / "with", FACTS) == first


def test_check_says_which_file_is_missing(shelf, bundles, tmp_path):
    listed = shelf.push(bundles / "one", FACTS)
    assert shelf.check(listed.version[:8]) == listed
    [model] = [file for file in listed.files if file.name == MODEL]
    (tmp_path / "shelf" / "blobs" / model.sha256).unlink()

    with pytest.raises(ShelfError, match=f"{MODEL} is missing"):
        shelf.check(listed.version)


def test_another_bundle_under_the_version_of_one_that_was_promoted_is_refused(shelf, bundles, tmp_path):
    one, two = shelf.push(bundles / "one", FACTS), shelf.push(bundles / "two", FACTS)
    marker = tmp_path / "shelf" / "bundles" / f"{one.version}.json"
    marker.write_text(two.model_copy(update={"version": one.version}).model_dump_json())

    with pytest.raises(ShelfError, match="push it again"):
        LocalModels(tmp_path / "cache").get(one.version, shelf)
    assert nothing_partial(tmp_path)

"""A process follows the pointer: real bundles and engines, pointers that the test hands over."""

import dataclasses
import gc
import multiprocessing
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hangtag.bundle import Bundle, load_bundle
from hangtag.following import loader as loader_module
from hangtag.following.errors import RefusedError, Why
from hangtag.following.follower import BundleFollower
from hangtag.following.following import Following
from hangtag.following.loaded import Loaded
from hangtag.following.loader import Loader
from hangtag.following.memory import free_bytes
from hangtag.models import Facts, LocalModels, Pointer, Shelf
from hangtag.settings import ModelSettings, ModelsSettings, Settings
from hangtag.tagger.in_use import TaggerInUse
from hangtag.tagger.tagger import Tagger
from hangtag.telemetry import metrics
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from tests.bundles import write_tiny_bundle
from tests.unit.worker_parts import Clock

TEXTS = ["red dress", "blue shoe for the cat", "space game", "a game of food", "cat food", "the red shoe"]


@dataclasses.dataclass(frozen=True)
class Place:
    """Two bundles in a place for bundles."""

    settings: Settings
    pointers: tuple[Pointer, Pointer]

    def local(self, folder: Path) -> LocalModels:
        return LocalModels(folder)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("place")
    shelf = Shelf(str(folder / "shelf"))
    pointers = []
    for sequence, seed in ((1, 11), (2, 12)):
        write_tiny_bundle(folder / str(seed), seed=seed)
        listed = shelf.push(folder / str(seed), Facts(pushed_by="a", pushed_ms=sequence))
        pointers.append(Pointer("default", sequence, listed.version, listed.integrity, (), 0, sequence))
    models = ModelsSettings(store=shelf.url, cache_dir=folder / "local")
    settings = Settings(models=models, model=ModelSettings(engine="cpu", threads=1))
    return Place(settings, (pointers[0], pointers[1]))


class House:
    """A follower over what the test loads, whose thread is the test's."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place, self.clock = place, Clock()
        self.local = LocalModels(folder)
        self.loader = Loader(place.settings, self.local)
        first = place.pointers[0]
        loaded = Loaded(self.loader.load(first))
        self.in_use = TaggerInUse.of(loaded.release())
        self.follower = BundleFollower(self.in_use, loaded, self.loader, self.local, self.clock)
        self.follower.take(first)

    def tags(self, texts: Sequence[str] = TEXTS) -> list[set[str]]:
        found = self.in_use.current.tagger(texts)
        return [{each.tag for each in (*tags.tags, *tags.review)} for tags in found]

    @property
    def version(self) -> str:
        return self.in_use.current.bundle_version


@pytest.fixture
def house(place: Place, tmp_path: Path) -> House:
    return House(place, tmp_path)


def later(pointer: Pointer, sequence: int, **changes: object) -> Pointer:
    return dataclasses.replace(pointer, sequence=sequence, **changes)


def refused(why: Why) -> float | None:
    return metrics.WORKER.get_sample_value("hangtag_model_refused", {"reason": why})


def test_another_bundle_is_loaded_beside_the_one_in_use_and_takes_its_place(house: House) -> None:
    first, second = house.place.pointers
    before, held = house.tags(), house.in_use.current

    house.follower.take(second)
    assert (house.version, house.in_use.current.sequence) == (first.bundle_version, 1)
    house.follower.turn()

    assert (house.version, house.in_use.current.sequence) == (second.bundle_version, 2)
    assert house.tags() != before
    # Whoever has the old one goes on with it, until nobody does.
    assert [{each.tag for each in (*tags.tags, *tags.review)} for tags in held.tagger(TEXTS)] == before
    assert house.local.last_good() is not None
    assert house.follower.details == {
        "bundle": second.bundle_version[:12],
        "sequence": 2,
        "pointer_bundle": second.bundle_version[:12],
        "pointer_sequence": 2,
    }


def test_a_bundle_is_read_once_whether_it_is_fetched_or_on_the_disk(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = house.place.pointers
    read = []

    def counted(folder: Path) -> Bundle:
        read.append(folder.name)
        return load_bundle(folder)

    for module in ("models.shelf", "models.local", "following.loader"):
        monkeypatch.setattr(f"hangtag.{module}.load_bundle", counted)

    house.follower.take(second)
    house.follower.turn()
    house.follower.take(dataclasses.replace(first, sequence=3))
    house.follower.turn()

    assert (house.version, len(read)) == (first.bundle_version, 2)


def test_the_old_one_is_freed_once_nobody_uses_it(house: House) -> None:
    held = house.in_use.current
    held.tagger([ProductText.of("a scraf of wool")], TextKind.QUERY)  # has words that are looked at and kept
    tagger = held.tagger
    parts = {
        "engine": weakref.ref(tagger.engine),
        "tokenizer": weakref.ref(tagger.bundle.tokenizer),
        "schema": weakref.ref(tagger.bundle.schema),
        "head": weakref.ref(tagger.bundle.weights.head_weight),
    }
    del tagger
    house.follower.take(house.place.pointers[1])
    with capture_logs() as logs:
        house.follower.turn()
        assert all(part() is not None for part in parts.values())
        held.tagger(TEXTS[:1])
        gc.disable()
        try:
            del held
            house.follower.turn()
            # Without the garbage collector, which a server lets run rarely, and not for what it started with.
            assert [name for name, part in parts.items() if part() is not None] == []
        finally:
            gc.enable()

    assert [line["version"] for line in logs if line["event"] == "bundle_freed"] == [
        house.place.pointers[0].bundle_version[:12]
    ]


def test_processes_that_tokenise_are_those_of_the_bundle_in_use(place: Place, tmp_path: Path) -> None:
    settings = place.settings.model_copy(update={"model": place.settings.model.model_copy(update={"encoders": 1})})
    loader = Loader(settings, LocalModels(tmp_path), in_bulk=True)
    first, second = place.pointers
    loaded = Loaded(loader.load(first))
    in_use = TaggerInUse.of(loaded.release())
    follower = BundleFollower(in_use, loaded, loader, None, Clock())
    old = multiprocessing.active_children()
    try:
        follower.take(second)
        follower.turn()
        follower.turn()
        assert [child for child in old if child.is_alive()] == []
        texts = [ProductText.of(text) for text in TEXTS] * 5
        assert len(multiprocessing.active_children()) == len(old) == 1
        assert len(in_use.current.tagger.encode(texts)) == len(texts)
    finally:
        in_use.current.tagger.close()


def test_blocked_tags_are_obeyed_at_once_also_while_another_bundle_is_being_loaded(house: House) -> None:
    blocked = max(set().union(*house.tags()))
    second = later(house.place.pointers[1], 5, blocked=(blocked, "color:none of ours"), blocked_sequence=5)

    house.follower.take(second)

    assert blocked not in set().union(*house.tags())
    assert (house.version, house.in_use.current.sequence) == (house.place.pointers[0].bundle_version, 1)
    assert house.in_use.current.blocked_sequence == 5
    house.follower.turn()
    assert blocked not in set().union(*house.tags())
    assert house.in_use.current.sequence == 5

    house.follower.take(later(second, 6, blocked=(), blocked_sequence=6))
    assert house.in_use.current.tagger.bundle.schema.blocked == ()
    assert house.in_use.current.sequence == 6


def test_the_same_bundle_at_a_later_place_is_not_loaded_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house.loader, "load", None)
    engine = house.in_use.current.tagger.engine

    house.follower.take(later(house.place.pointers[0], 7))
    house.follower.turn()

    assert (house.in_use.current.sequence, house.in_use.current.tagger.engine) == (7, engine)


def test_an_earlier_pointer_changes_nothing(house: House) -> None:
    house.follower.take(later(house.place.pointers[0], 7))

    house.follower.take(house.place.pointers[1])
    house.follower.turn()

    assert (house.version, house.in_use.current.sequence) == (house.place.pointers[0].bundle_version, 7)


def test_what_was_replaced_while_it_was_being_loaded_is_not_used(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = house.place.pointers
    load = house.loader.load
    rolled_back = later(first, 9)

    def and_back(pointer: Pointer) -> Tagger:
        tagger = load(pointer)
        house.follower.take(rolled_back)
        return tagger

    monkeypatch.setattr(house.loader, "load", and_back)
    house.follower.take(second)
    house.follower.turn()

    assert (house.version, house.in_use.current.sequence) == (first.bundle_version, 9)


def _no_memory(_: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader_module, "free_bytes", lambda: 1_000)


def _away(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house.loader, "_store", "/nowhere/at/all")


def _full(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hangtag.models.fetching._write", no_room)


def _bad_engine(_: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        msg = "the device fell off the bus"
        raise RuntimeError(msg)

    monkeypatch.setattr("hangtag.tagger.tagger.Tagger.forward", fails)


def _other_format(_: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hangtag.bundle.load.FORMAT", 1)


@pytest.mark.parametrize(
    ("spoil", "why", "says"),
    [
        (_other_format, Why.DAMAGED, "upgrade hangtag"),
        (_no_memory, Why.MEMORY, "allow the process more memory"),
        (_away, Why.FETCH, "/nowhere/at/all"),
        (_full, Why.DISK, "free space"),
        (_bad_engine, Why.TRIAL, "the engine fails for any text"),
    ],
)
def test_a_bundle_that_cannot_be_used_is_refused_and_the_old_one_stays(
    house: House, monkeypatch: pytest.MonkeyPatch, spoil, why: Why, says: str
) -> None:
    first, second = house.place.pointers
    before = house.tags()
    house.follower.take(second)
    with monkeypatch.context() as context, capture_logs() as logs:
        spoil(house, context)
        for _ in range(3):
            house.follower.turn()

    assert house.tags() == before
    assert (house.version, house.in_use.current.sequence) == (first.bundle_version, 1)
    (line,) = (line for line in logs if line["event"] == "bundle_refused")
    assert (line["reason"], line["log_level"]) == (why, "error")
    assert says in line["message"]
    assert house.follower.details["refused"] == why
    assert refused(why) == 1

    house.clock.now += 5
    house.follower.turn()

    assert house.version == second.bundle_version
    assert "refused" not in house.follower.details
    assert refused(why) == 0


def test_a_bundle_that_gives_its_reference_texts_other_tags_is_refused(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def differs(*_: object) -> None:
        msg = "reference text 0: color:red has the confidence 0.91 here and none in the bundle's references"
        raise ValueError(msg)

    monkeypatch.setattr(loader_module, "read_references", lambda _: object())
    monkeypatch.setattr(loader_module, "check_references", differs)

    with pytest.raises(RefusedError, match="reference text 0") as caught:
        house.loader.load(house.place.pointers[1])

    assert caught.value.why is Why.TRIAL


def test_a_refused_bundle_leaves_no_memory_behind(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    engines: list[weakref.ref] = []

    def differs(tagger: Tagger, *_: object) -> None:
        engines.append(weakref.ref(tagger.engine))
        raise ValueError

    monkeypatch.setattr(loader_module, "read_references", lambda _: object())
    monkeypatch.setattr(loader_module, "check_references", differs)
    house.follower.take(house.place.pointers[1])
    house.follower.turn()

    assert [engine() for engine in engines] == [None]


def test_with_a_bundle_of_its_own_a_process_follows_blocked_tags_alone(house: House) -> None:
    first, second = house.place.pointers
    tagger = house.loader.load(first)
    loaded = Loaded(tagger)
    in_use = TaggerInUse.of(loaded.release())
    follower = BundleFollower(in_use, loaded, None, None, house.clock)
    blocked = max(set().union(*house.tags()))

    for pointer in (first, later(second, 8, blocked=(blocked,), blocked_sequence=8)):
        follower.take(pointer)
        follower.turn()

    assert (in_use.current.bundle_version, in_use.current.sequence) == (first.bundle_version, 0)
    assert in_use.current.tagger.bundle.schema.blocked == (blocked,)


def test_a_pointer_is_told_to_listeners_before_its_bundle_is_loaded_and_the_thread_loads_it(house: House) -> None:
    told: list[int] = []
    following = Following(house.in_use, house.follower)
    following.listen(lambda pointer: told.append(pointer.sequence))
    swapped = threading.Event()
    failures: list[Exception] = []
    following.start(failures.append)
    try:
        following.on_pointer(house.place.pointers[1])
        assert told == [2]
        while house.version != house.place.pointers[1].bundle_version and not failures:
            swapped.wait(0.01)
    finally:
        following.close()

    late: list[int] = []
    following.listen(lambda pointer: late.append(pointer.sequence))
    assert (late, failures) == ([2], [])


def test_the_memory_that_there_is_respects_control_groups(tmp_path: Path) -> None:
    proc, groups = tmp_path / "proc", tmp_path / "groups"
    (proc / "self").mkdir(parents=True)
    (groups / "a/b").mkdir(parents=True)
    (proc / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable:    8000 kB\n")
    assert free_bytes(proc, groups) == 8_000 * 1_024

    (proc / "self/cgroup").write_text("0::/a/b\n")
    (groups / "a/b/memory.max").write_text("max\n")
    (groups / "a/b/memory.current").write_text("500\n")
    assert free_bytes(proc, groups) == 8_000 * 1_024

    (groups / "a/memory.max").write_text("1000000\n")
    (groups / "a/memory.current").write_text("600000\n")
    (groups / "a/memory.stat").write_text("anon 100\ninactive_file 50000\n")
    assert free_bytes(proc, groups) == 450_000

    (proc / "self/cgroup").write_text("4:memory:/c\n3:cpu:/c\n")
    (groups / "memory").mkdir()
    (groups / "memory/memory.limit_in_bytes").write_text("2000\n")
    (groups / "memory/memory.usage_in_bytes").write_text("1500\n")
    assert free_bytes(proc, groups) == 500

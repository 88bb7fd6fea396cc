"""A worker and a server follow the pointer, over a real broker and a real Valkey."""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from kafka import KafkaProducer
from typer.testing import CliRunner

from hangtag.cli.app import app
from hangtag.following.errors import NotJoinedError, RefusedError
from hangtag.following.following import Following
from hangtag.following.joining import check_joining
from hangtag.following.start import open_following
from hangtag.models import Decision, Facts, Kind, ModelsTopic, Pointer, PointerRecord, Shelf
from hangtag.settings import (
    KafkaSettings,
    ModelSettings,
    ModelsSettings,
    RedisSettings,
    ServerSettings,
    Settings,
    WorkerSettings,
)
from hangtag.store import RedisTagStore
from hangtag.tags.thresholds import TagThresholds
from hangtag.workers import work
from tests.bundles import write_tiny_bundle
from tests.integration.server.parts import Served, serving

pytestmark = pytest.mark.parametrize("broker", ["tansu"], indirect=True)

TITLES = {"p1": "red dress", "p2": "a game of space", "p3": "cat food"}


class Place(NamedTuple):
    """A place for bundles with two of them: version and integrity of each."""

    url: str
    bundles: tuple[tuple[str, str], tuple[str, str]]
    folder: Path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("place")
    shelf, found = Shelf(str(folder / "shelf")), []
    for seed in (21, 22):
        write_tiny_bundle(folder / str(seed), seed=seed, thresholds=TagThresholds(auto=0, review=0))
        listed = shelf.push(folder / str(seed), Facts(pushed_by="a", pushed_ms=seed))
        found.append((listed.version, listed.integrity))
    return Place(shelf.url, (found[0], found[1]), folder)


@pytest.fixture
def settings(topics: KafkaSettings, redis_settings: RedisSettings, place: Place, tmp_path: Path) -> Settings:
    return Settings(
        kafka=topics,
        redis=redis_settings,
        model=ModelSettings(bundle=str(place.folder / "21"), engine="cpu", threads=1),
        models=ModelsSettings(store=place.url, cache_dir=tmp_path / "local", poll_s=0.05),
        worker=WorkerSettings(token_budget=2_048, window=200),
        server=ServerSettings(port=0, grace_s=5, drain_s=0),
    )


class Shop:
    """What people and shops do."""

    def __init__(self, settings: Settings, place: Place) -> None:
        self.settings, self.place = settings, place
        self.pointer: Pointer | None = None

    def decide(self, bundle: int, blocked: tuple[str, ...] = ()) -> Pointer:
        """Put a bundle into use."""
        version, integrity = self.place.bundles[bundle]
        expects = self.pointer.sequence if self.pointer else 0
        number = f"{expects + 1:032x}"
        decision = Decision(number, "default", Kind.PROMOTE, expects, version, integrity, blocked, "a", "test", 1)
        self.pointer = ModelsTopic(self.settings.kafka).append(decision)
        with PointerRecord(self.settings.redis) as record:
            assert record.write(self.pointer)
        return self.pointer

    def send(self, *products: str, version: int = 1) -> None:
        """Produce events."""
        with closing(KafkaProducer(bootstrap_servers=self.settings.kafka.bootstrap)) as producer:
            for product in products:
                body = {"product_id": product, "version": version, "title": TITLES[product]}
                value = json.dumps({"type": "UPDATED", "product": body}).encode()
                producer.send(self.settings.kafka.events_topic, value, product.encode())
            producer.flush()

    def stored(self) -> dict[str, tuple[int, str]]:
        """Sequence and bundle of each product."""
        with closing(RedisTagStore(self.settings.redis)) as store:
            entries = store.read(list(TITLES))
        return {entry.product_id: (entry.sequence, entry.bundle_prefix.hex()) for entry in entries if entry is not None}


@pytest.fixture
def shop(settings: Settings, place: Place) -> Shop:
    return Shop(settings, place)


@contextmanager
def working(settings: Settings, following: Following) -> Iterator[None]:
    stop, ready = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as thread, closing(following):
        done = thread.submit(work, settings, following, stop, lambda _: ready.set())
        try:
            yield
        finally:
            stop.set()
            done.result(40)


def until(condition: Callable[[], object], seconds: float = 40) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it did not happen"
        time.sleep(0.02)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    thread = threading.Thread(target=made.run_forever)
    thread.start()
    yield made
    made.call_soon_threadsafe(made.stop)
    thread.join()
    made.close()


def names(tags) -> set[str]:
    return {f"{tag.facet}:{tag.value}" for tag in tags}


def test_worker_and_server_follow_an_upgrade_a_block_and_a_rollback(
    settings: Settings, shop: Shop, place: Place, loop: asyncio.AbstractEventLoop
) -> None:
    first, second = (version for version, _ in place.bundles)
    shop.decide(0)
    with ExitStack() as stack:
        reader, writer = open_following(settings), open_following(settings, in_bulk=True)
        stack.enter_context(working(settings, writer))
        stack.enter_context(closing(reader))
        served: Served = stack.enter_context(serving(loop, settings, reader))
        shop.send(*TITLES)
        until(lambda: len(shop.stored()) == len(TITLES))
        assert set(shop.stored().values()) == {(1, first[:16])}
        before = served.get("p1")
        assert (before.bundle_version, before.newer_bundle_version) == (first, "")
        assert served.suggest("red dress").bundle_version == first

        # Another bundle: for what comes from now on, and what is sent again; a look-up says that the rest is older.
        shop.decide(1)
        until(lambda: writer.in_use.current.sequence == reader.in_use.current.sequence == 2)
        assert served.suggest("red dress").bundle_version == second
        found = served.get("p1")
        assert (found.bundle_version, found.newer_bundle_version) == (first, second)
        shop.send("p1", "p2")
        until(lambda: shop.stored() == {"p1": (2, second[:16]), "p2": (2, second[:16]), "p3": (1, first[:16])})
        assert served.get("p1", min_version=1).newer_bundle_version == ""

        # A blocked tag is gone at once, from what is stored as well; other products are as they were.
        blocked = min(names(served.get("p1", min_version=1).tags))
        shop.decide(1, (blocked,))
        until(lambda: reader.in_use.current.sequence == writer.in_use.current.sequence == 3)
        assert blocked not in names(served.get("p1").tags)
        assert blocked not in names(served.suggest(TITLES["p1"]).tags)
        shop.send("p1")
        until(lambda: shop.stored()["p1"][0] == 3)
        assert blocked not in names(served.get("p1", min_version=1).tags)

        # Back, with the block.
        shop.decide(0, (blocked,))
        until(lambda: reader.in_use.current.sequence == writer.in_use.current.sequence == 4)
        shop.send("p2", "p3")
        until(lambda: shop.stored() == {"p1": (3, second[:16]), "p2": (4, first[:16]), "p3": (4, first[:16])})
        assert served.get("p1").newer_bundle_version == first
        assert served.suggest("red dress").bundle_version == first

    counted = CliRunner().invoke(app, ["model", "products", "--json"], env=environment(settings))
    releases = json.loads(counted.stdout)["releases"]
    assert [(each["sequence"], each["bundle"], each["products"], each["is_in_use"]) for each in releases] == [
        (4, first[:16], 2, True),
        (3, second[:16], 1, False),
    ]


def environment(settings: Settings) -> dict[str, str]:
    return {
        "HANGTAG_REDIS__URL": settings.redis.url.get_secret_value(),
        "HANGTAG_KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
        "HANGTAG_KAFKA__MODELS_TOPIC": settings.kafka.models_topic,
    }


def test_a_worker_with_a_bundle_of_its_own_does_not_join_while_another_one_is_in_use(
    settings: Settings, shop: Shop, place: Place
) -> None:
    check_joining(settings)
    shop.decide(1)

    with pytest.raises(NotJoinedError, match="--force"):
        check_joining(settings)
    away = settings.model_copy(update={"redis": RedisSettings(url="redis://127.0.0.1:1")})
    with pytest.raises(NotJoinedError, match="sequence 1"):
        check_joining(away)
    command = CliRunner().invoke(app, ["work", "--bundle", str(place.folder / "21")], env=environment(settings))
    assert isinstance(command.exception, NotJoinedError)


def test_a_program_starts_with_the_last_bundle_that_worked_here(
    settings: Settings, shop: Shop, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hangtag.kafka.whole_topic._OPEN_TIMEOUT_MS", 300)
    shop.decide(0)
    open_following(settings).close()
    nowhere = {
        "redis": RedisSettings(url="redis://127.0.0.1:1"),
        "kafka": KafkaSettings(bootstrap="127.0.0.1:1", models_topic="none"),
    }
    with closing(open_following(settings.model_copy(update=nowhere))) as following:
        assert following.in_use.current.bundle_version == place.bundles[0][0]
        assert following.in_use.current.sequence == 1

    shop.decide(1, ("color:red",))
    no_place = settings.models.model_copy(update={"store": str(place.folder / "gone")})
    with closing(open_following(settings.model_copy(update={"models": no_place}))) as following:
        release = following.in_use.current
        assert (release.bundle_version, release.sequence) == (place.bundles[0][0], 1)
        assert "color:red" in release.tagger.bundle.schema.blocked
        details = following.details()["model"]
        assert (details["refused"], details["pointer_sequence"]) == ("fetch", 2)

    bare = no_place.model_copy(update={"cache_dir": place.folder / "empty"})
    with pytest.raises(RefusedError, match="gone"):
        open_following(settings.model_copy(update={"models": bare}))


def test_without_a_pointer_a_program_begins_with_the_bundle_of_the_settings(
    settings: Settings, shop: Shop, place: Place
) -> None:
    with closing(open_following(settings)) as following:
        assert following.in_use.current.sequence == 0
        following.start(lambda _: None)
        shop.decide(0)

        until(lambda: following.in_use.current.sequence == 1)

        assert following.in_use.current.bundle_version == place.bundles[0][0]

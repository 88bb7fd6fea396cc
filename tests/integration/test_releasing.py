"""docs/releasing.md: its commands, run with a real broker, store, worker and server, print what it says.

After a change of the bundle or of what the commands print, HANGTAG_WRITE_PAGES=1 writes that into the page.
"""

import asyncio
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import pairwise
from pathlib import Path

import orjson
import pytest
from kafka import KafkaProducer
from structlog.testing import capture_logs
from typer.testing import CliRunner

from hangtag.audit import Action, AuditLog, Outcome
from hangtag.bundle import STARTER, load_bundle, redecide_bundle
from hangtag.cli.app import app
from hangtag.cli.feed_lines import demo_feed
from hangtag.following.following import Following
from hangtag.following.start import open_following
from hangtag.settings import (
    KafkaSettings,
    ModelSettings,
    ModelsSettings,
    RedisSettings,
    ServerSettings,
    Settings,
)
from hangtag.store import RedisTagStore
from hangtag.tags.keyed import ScoringPath
from hangtag.tags.thresholds import KeyedThresholds
from hangtag.workers import work
from tests.bundles import write_tiny_bundle
from tests.integration.server.parts import serving

ROOT = Path(__file__).resolve().parents[2]
PAGE_FILE = ROOT / "docs" / "releasing.md"
PAGE = PAGE_FILE.read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
PRINTED = [
    (command, output) for (kind, command), (other, output) in pairwise(BLOCKS) if (kind, other) == ("sh", "text")
]
# The version of the bundle that the page promotes.
(PAGE_VERSION,) = re.findall(r"^hangtag model stage (\w+)$", PAGE, re.MULTILINE)
PRODUCTS = 20
# The commands refuse variables with the prefix that they do not know.
IS_WRITING = bool(os.environ.pop("HANGTAG_WRITE_PAGES", None))
# What differs from run to run, from one machine to another, and between the bundles of the page and of the test.
VOLATILE = re.compile(
    r"[0-9.]+ (?:s|MB)\b|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|engine .*?:|[─━┏┳┓┡╇┩└┴┘]+|\b\d+\.\d\b|\b[0-9a-f]{8,64}\b"
    r"|\b(?:starter|tiny-1)\b"
)

pytestmark = [pytest.mark.parametrize("broker", ["tansu"], indirect=True), pytest.mark.timeout(180)]


def october(first: Path, folder: Path) -> str:
    """The first bundle with lower thresholds stands for what a training made; returns its version."""
    before = load_bundle(first)
    content = orjson.loads(before.thresholds.model_dump_json())
    for paths in content.values():
        for tag in paths[ScoringPath.FULL]["tags"].values():
            if tag["auto"] is not None and tag["auto"] <= 1:
                tag["auto"] = max(tag["review"], tag["auto"] - 0.1)
    manifest = redecide_bundle(
        first,
        folder,
        thresholds=KeyedThresholds.model_validate(content),
        calibration=before.calibration,
        recipe={},
        metrics={},
        scope=before.scope,
    )
    return manifest.version


class Production:
    """A worker, a server, and whoever runs commands."""

    def __init__(self, settings: Settings, folder: Path, followers: list[Following]) -> None:
        self._folder, self._followers = folder, followers
        names = {
            "KAFKA": settings.kafka.model_dump(
                include={name for name in KafkaSettings.model_fields if "topic" in name}
            ),
            "MODELS": {"store": settings.models.store, "cache_dir": settings.models.cache_dir, "actor": "ann"},
        }
        names["KAFKA"] |= {"bootstrap": settings.kafka.bootstrap, "group": settings.kafka.group}
        names["REDIS"] = {"url": settings.redis.url.get_secret_value()}
        names["MODEL"] = {"engine": "cpu"}
        self._environment = {
            f"HANGTAG_{group}__{name.upper()}": str(value)
            for group, some in names.items()
            for name, value in some.items()
        }
        self.first = STARTER if IS_WRITING else folder / "first"
        if not IS_WRITING and not self.first.is_dir():
            write_tiny_bundle(self.first, 1)
        self.october = october(self.first, folder / "runs" / "october" / "bundle")

    def run(self, command: str) -> str:
        """What a command prints."""
        words = command.replace(PAGE_VERSION, self.october[:8]).strip()
        # A re-tag lowers its priority for good.
        if words.startswith("hangtag retag"):
            program = [sys.executable, "-m", "hangtag.cli", *words.split()[1:]]
            environment = {**os.environ, **self._environment, "PYTHONPATH": str(ROOT)}
            done = subprocess.run(
                program, env=environment, cwd=self._folder, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
            return done.stdout
        result = CliRunner().invoke(app, words.removeprefix("hangtag "), env=self._environment)
        assert result.exit_code == 0, (words, result.output, result.exception)
        self.settle()
        return result.stdout

    def settle(self) -> None:
        """Wait until worker and server use what the pointer names."""
        for each in self._followers:
            until(lambda each=each: is_up_to_date(each))


def is_up_to_date(following: Following) -> bool:
    model = following.details()["model"]
    return model.get("pointer_sequence", model["sequence"]) == model["sequence"]


def until(condition: Callable[[], object], seconds: float = 60) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it did not happen"
        time.sleep(0.02)


@pytest.fixture
def production(
    topics: KafkaSettings, redis_settings: RedisSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Production]:
    settings = Settings(
        kafka=topics,
        redis=redis_settings,
        model=ModelSettings(engine="cpu", threads=1),
        models=ModelsSettings(store="models", cache_dir=tmp_path / "cache", poll_s=0.05),
        server=ServerSettings(port=0, grace_s=5, drain_s=0),
    )
    monkeypatch.chdir(tmp_path)
    alone = Production(settings, tmp_path, [])
    alone.run(f"hangtag model push {alone.first} --reason first")
    alone.run(f"hangtag model promote {load_bundle(alone.first).version} --reason first")
    with ExitStack() as stack:
        # Without it the programs' threads would log into what a command prints.
        stack.enter_context(capture_logs())
        reader, writer = open_following(settings), open_following(settings, in_bulk=True)
        stop, ready = threading.Event(), threading.Event()
        thread = stack.enter_context(ThreadPoolExecutor(1))
        stack.enter_context(closing(writer))
        stack.enter_context(closing(reader))
        done = thread.submit(work, settings, writer, stop, lambda _: ready.set())
        stack.callback(lambda: done.result(60))
        stack.callback(stop.set)
        loop = asyncio.new_event_loop()
        running = threading.Thread(target=loop.run_forever)
        running.start()
        stack.callback(loop.close)
        stack.callback(running.join)
        stack.callback(loop.call_soon_threadsafe, loop.stop)
        stack.enter_context(serving(loop, settings, reader))
        lines = Path(demo_feed()).read_bytes().splitlines()[:PRODUCTS]
        with closing(KafkaProducer(bootstrap_servers=topics.bootstrap)) as producer:
            for line in lines:
                product = {**orjson.loads(line), "version": 1}
                value = orjson.dumps({"type": "UPDATED", "product": product})
                producer.send(topics.events_topic, value, product["product_id"].encode())
            producer.flush()
        ids = [orjson.loads(line)["product_id"] for line in lines]
        store = stack.enter_context(closing(RedisTagStore(redis_settings)))
        until(lambda: all(store.read(ids)))
        yield Production(settings, tmp_path, [reader, writer])


def test_from_a_trained_run_to_production_and_back(production: Production, topics: KafkaSettings) -> None:
    page = PAGE
    for command, output in PRINTED:
        printed = production.run(command)
        start = f"```sh\n{command}```\n\n```text\n"
        page = page.replace(start + output, start + printed, 1)
        if not IS_WRITING:
            assert VOLATILE.sub("#", printed).split() == VOLATILE.sub("#", output).split(), command

    if IS_WRITING:
        PAGE_FILE.write_text(page.replace(PAGE_VERSION, production.october[:8]))
    audited = AuditLog(topics).read()
    actions = [each.action for each in audited if each.outcome is Outcome.APPLIED]
    assert actions == [Action.PROMOTE, Action.PROMOTE, Action.ROLLBACK, Action.BLOCK]
    assert len(audited) == 2 * len(actions)


def test_every_command_of_the_page_is_run(broker: str) -> None:
    assert [command for kind, command in BLOCKS if kind == "sh"] == [command for command, _ in PRINTED]

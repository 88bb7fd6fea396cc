"""The whole index program, killed while it reads the topic and while it writes its snapshot."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hangtag.cli.index.page import IndexPage
from hangtag.settings import IndexSettings, KafkaSettings, RedisSettings, Settings
from hangtag.store import Entry, RedisTagStore
from tests.integration.test_index import APACHE, NAVY, RED, checked, produce
from tests.unit.index.making import entry

# More than a pipe holds, so that whoever writes the snapshot into one waits in the middle of it.
PRODUCTS = 3_000
PIPE_BYTES = 64 * 1024


@contextmanager
def running(settings: Settings) -> Iterator[tuple[subprocess.Popen[bytes], Iterator[dict]]]:
    """`hangtag index serve` and the lines of its log; it is killed at the end, if it runs by then."""
    environment = os.environ | {
        "HANGTAG_KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
        "HANGTAG_KAFKA__TAGGED_TOPIC": settings.kafka.tagged_topic,
        "HANGTAG_INDEX__PORT": "0",
        "HANGTAG_INDEX__METRICS_PORT": "0",
        "HANGTAG_INDEX__SNAPSHOT_DIR": str(settings.index.snapshot_dir),
        "HANGTAG_LOG__FORMAT": "json",
    }
    command = [sys.executable, "-P", "-m", "hangtag.cli", "index", "serve"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        try:
            yield process, (json.loads(line) for line in process.stderr if line.startswith(b"{"))
        finally:
            process.kill()


def wait_for(event: str, lines: Iterator[dict]) -> dict:
    return next(each for each in lines if each["event"] == event)


def page_of(settings: Settings, lines: Iterator[dict]) -> tuple[Settings, IndexPage]:
    """The page of the program whose log this is, and settings that name it; once the program answers searches."""
    port = wait_for("index_started", lines)["metrics_port"]
    here = settings.model_copy(update={"index": settings.index.model_copy(update={"metrics_port": port})})
    wait_for("index_complete", lines)
    return here, IndexPage(here.index)


@APACHE
@pytest.mark.timeout(240)
def test_the_program_is_killed_at_any_point_and_agrees_with_store_and_topic_when_it_runs_again(
    topics: KafkaSettings, redis_settings: RedisSettings, tmp_path: Path
) -> None:
    settings = Settings(kafka=topics, redis=redis_settings, index=IndexSettings(snapshot_dir=tmp_path))
    snapshot = tmp_path / f"{topics.tagged_topic}.snapshot"
    unfinished = snapshot.with_suffix(".unfinished")
    first = [entry(f"p{number}", 1, RED if number % 2 else NAVY) for number in range(PRODUCTS)]
    then = [*(entry(f"p{number}", 2, NAVY) for number in range(5)), Entry.deletion("p7", 2)]
    store = RedisTagStore(redis_settings)
    store.write(first)
    produce(settings, *first)

    with running(settings) as (reading, lines):
        wait_for("index_started", lines)
        reading.kill()
    assert list(tmp_path.iterdir()) == []

    with running(settings) as (writing, lines):
        _, page = page_of(settings, lines)
        page.snapshot()
        whole = snapshot.read_bytes()
        store.write(then)
        produce(settings, *then)
        # The end of its file is never read, so the program cannot finish it.
        os.mkfifo(unfinished)
        page.want_snapshot()
        with unfinished.open("rb") as pipe:
            torn = pipe.read(PIPE_BYTES // 2)
            writing.kill()
            writing.wait()
    unfinished.unlink()
    unfinished.write_bytes(torn)
    assert snapshot.read_bytes() == whole

    with running(settings) as (again, lines):
        here, _ = page_of(settings, lines)
        work = checked(here, products=PRODUCTS - 1)
        again.send_signal(signal.SIGTERM)
        assert again.wait() == 0

    assert (work.differing, work.store.count) == (0, 0)
    assert list(tmp_path.iterdir()) == [snapshot]
    store.close()

"""More work than the server takes: it is refused by the server itself, counted and logged, and never by gRPC."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hangtag.server import admission
from hangtag.settings import RedisSettings
from tests.integration.server.parts import Code, FakeTagger, Served, fails_with, refused, serving, settings_for, until

ROOT = Path(__file__).resolve().parents[4]
IDS = [f"p{i}" for i in range(1_000)]


def burst(served: Served, method: str, calls: int) -> dict[str, int]:
    """How many of so many calls at once, on 20 connections, ended with each status."""
    arguments = [str(served.port), method, str(calls), "20"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.server.burst", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        check=True,
        timeout=100,
    )
    return json.loads(done.stdout)


@pytest.mark.timeout(120)
def test_every_one_of_10_000_calls_at_once_is_answered_or_refused(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, tagger: FakeTagger, transport: str
) -> None:
    before = refused("GetProductTags")
    # Slow machines: reads of the store must not time out.
    patient = redis_settings.model_copy(update={"timeout_ms": 20_000})
    with serving(loop, settings_for(patient, transport=transport), tagger) as served:
        codes = burst(served, "GetProductTags", 10_000)

    # Those that are not refused are for a product that does not exist.
    assert sum(codes.values()) == 10_000
    assert codes.get("RESOURCE_EXHAUSTED", 0) == refused("GetProductTags") - before
    assert codes.keys() <= {"NOT_FOUND", "RESOURCE_EXHAUSTED"}
    assert codes["NOT_FOUND"] >= 1_000


@pytest.mark.timeout(60)
def test_texts_beyond_the_limit_are_refused_counted_and_logged(served: Served, tagger: FakeTagger) -> None:
    before = refused("SuggestTags")
    # However slowly the calls come, the first batch is not done before they are too many.
    tagger.forward = _held(tagger.forward, lambda: refused("SuggestTags") > before)
    with capture_logs() as logs:
        codes = burst(served, "SuggestTags", 3_000)

    assert codes.keys() == {"OK", "RESOURCE_EXHAUSTED"}
    assert sum(codes.values()) == 3_000
    # On a slow machine some are refused because their deadline is too near.
    assert codes["RESOURCE_EXHAUSTED"] == refused("SuggestTags") - before
    lines = [line for line in logs if line["event"] == "calls refused"]
    # The first one at once, not a line for each.
    assert 1 <= len(lines) < 20
    assert "start more servers" in lines[0]["next"]


def test_ids_of_large_look_ups_are_limited_and_small_ones_still_answered(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, tagger: FakeTagger, transport: str
) -> None:
    patient = redis_settings.model_copy(update={"timeout_ms": 20_000})
    with serving(loop, settings_for(patient, transport=transport, max_ids_in_progress=1_000), tagger) as served:
        before = refused("BatchGetProductTags")
        codes = burst(served, "BatchGetProductTags", 100)

        assert codes.keys() == {"OK", "RESOURCE_EXHAUSTED"}
        assert codes["RESOURCE_EXHAUSTED"] == refused("BatchGetProductTags") - before
        assert len(served.batch(IDS)) == 1_000
        assert len(served.batch(IDS[:100])) == 100


def test_a_connection_that_does_not_read_its_replies_is_refused_alone() -> None:
    unread = admission.Unread(most_per_connection=10, most=25)
    unread.add("a", 11)

    with pytest.raises(admission.RefusedError, match="11 bytes of replies that were not read"):
        unread.check("a")
    unread.check("b")
    for other in ("b", "c"):
        unread.add(other, 8)
    with pytest.raises(admission.RefusedError):
        unread.check("b")
    unread.check("d")
    unread.remove("a", 11)
    unread.check("a")
    unread.check("b")


def test_long_texts_count_by_their_tokens(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, tagger: FakeTagger, transport: str
) -> None:
    with serving(loop, settings_for(redis_settings, transport=transport, suggest_queue_tokens=600), tagger) as served:
        tagger.batches.clear()
        tagger.gate.clear()
        running = served.suggest_later("long " * 200)
        until(lambda: tagger.batches)
        with fails_with(Code.RESOURCE_EXHAUSTED, "334 tokens of texts are in progress, the maximum is 600"):
            served.suggest("long " * 199)
        short = served.suggest_later("short")
        tagger.gate.set()

        assert [call.result().tags[0].value for call in (running, short)] == ["200", "1"]


def _held(forward: object, is_over: Callable[[], bool]) -> object:
    give_up = time.monotonic() + 30

    def held(tokens: object, **options: bool) -> object:
        while not is_over() and time.monotonic() < give_up:
            time.sleep(0.05)
        return forward(tokens, **options)

    return held

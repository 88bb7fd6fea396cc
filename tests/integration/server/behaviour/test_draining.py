"""How the server stops: it drains, ends calls with UNAVAILABLE and cancels none."""

import asyncio
import concurrent.futures
import json
import socket
import threading
import time
from contextlib import ExitStack
from itertools import takewhile
from pathlib import Path

import grpc
import pytest

from hangtag.settings import RedisSettings
from hangtag.tagger.probe import EngineDownError
from hangtag.v1 import tags_pb2, tags_pb2_grpc
from tests.integration.server.behaviour.outcome import outcome_of
from tests.integration.server.behaviour.peer import SERVICE, Peer, headers, message
from tests.integration.server.parts import (
    NOT_SERVING,
    SERVING,
    Code,
    FakeTagger,
    Served,
    calls_in_flight,
    free_port,
    serving,
    settings_for,
    until,
)


@pytest.fixture
def tagger() -> FakeTagger:
    """Each test stops its own server."""
    return FakeTagger()


def test_stop_drains_finishes_running_calls_and_closes(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, tagger: FakeTagger, transport: str
) -> None:
    with serving(loop, settings_for(redis_settings, transport=transport, drain_s=1), tagger) as served:
        tagger.gate.clear()
        running = served.suggest_later("one")
        until(lambda: tagger.batches)
        served.stop()
        until(lambda: served.health() == NOT_SERVING, 1)
        # Load balancers may not have noticed yet: calls are still accepted.
        assert len(served.batch(["p"])) == 1

        # Then they are refused, while the running one is finished.
        until(lambda: refuses(served))
        assert not served.result.done()
        tagger.gate.set()

        assert running.result().tags[0].value == "1"
        served.result.result(5)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", served.port), timeout=1)


def refuses(served: Served) -> bool:
    call = served.tags.BatchGetProductTags.future(tags_pb2.BatchGetProductTagsRequest(product_ids=["p"]), timeout=5)
    if call.code() is Code.OK:
        return False
    ended = outcome_of(call)
    assert (ended.code, ended.reason) == (Code.UNAVAILABLE, "SERVER_STOPPING")
    assert ended.retry_ms
    assert "this server is stopping; retry on another one" in ended.message
    return True


def test_an_engine_that_fails_for_every_text_ends_the_server(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, tagger: FakeTagger, transport: str
) -> None:
    def fail(_: object) -> None:
        msg = "device lost"
        raise RuntimeError(msg)

    def suggest() -> None:
        with serving(loop, settings_for(redis_settings, transport=transport), tagger) as served:
            tagger.forward = fail
            ended = outcome_of(served.suggest_later("one"))
            assert (ended.code, ended.reason) == (Code.UNAVAILABLE, "MODEL_UNAVAILABLE")
            assert ended.retry_ms
            until(served.result.done, 3)

    with pytest.raises(EngineDownError, match="device lost"):
        suggest()


def test_a_reply_that_is_being_sent_is_finished(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, transport: str
) -> None:
    ids = [f"never {number}" for number in range(1_000)]
    request = message(tags_pb2.BatchGetProductTagsRequest(product_ids=ids).SerializeToString())
    settings = settings_for(redis_settings, transport=transport)
    with serving(loop, settings, FakeTagger()) as served, Peer(served.port, window=1_000) as slow:
        stream = slow.open(headers(f"{SERVICE}/BatchGetProductTags"))
        slow.data(stream, request)
        assert slow.read_until(lambda: slow.answers[stream].body)
        served.stop()
        slow.read_for(0.5)
        assert not served.result.done()
        slow.allow(stream, 1_000_000)

        assert slow.answer(stream).status == 0
        served.result.result(5)


def test_calls_that_outlive_the_grace_period_end_with_unavailable(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, tagger: FakeTagger, transport: str
) -> None:
    with serving(loop, settings_for(redis_settings, transport=transport, grace_s=0.2), tagger) as served:
        tagger.gate.clear()
        running = [served.suggest_later("one") for _ in range(3)]
        until(lambda: calls_in_flight() == 3)
        served.stop()

        ended = [outcome_of(call) for call in running]
    assert {(each.code, each.reason) for each in ended} == {(Code.UNAVAILABLE, "SERVER_STOPPING")}


def test_calls_while_the_server_stops_end_with_their_reply_or_unavailable(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, tagger: FakeTagger, transport: str
) -> None:
    """Also those that wait to be read, or are on their way, which gRPC's own stop ends with CANCELLED."""
    ended: list[grpc.StatusCode] = []
    with serving(loop, settings_for(redis_settings, transport=transport), tagger) as served:
        target = f"127.0.0.1:{served.port}"

        def call_until_unavailable() -> None:
            with grpc.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
                stub = tags_pb2_grpc.TagServiceStub(channel)
                request = tags_pb2.BatchGetProductTagsRequest(product_ids=["p"])
                while True:
                    calls = [stub.BatchGetProductTags.future(request, timeout=10) for _ in range(20)]
                    codes = [call.code() for call in calls]
                    ended.extend(codes)
                    if set(codes) != {Code.OK}:
                        return

        with concurrent.futures.ThreadPoolExecutor(4) as threads:
            clients = [threads.submit(call_until_unavailable) for _ in range(4)]
            until(lambda: len(ended) > 200)
            served.stop()
            for client in clients:
                client.result(20)

    assert set(ended) == {Code.OK, Code.UNAVAILABLE}


def documented_service_config() -> str:
    page = (Path(__file__).resolve().parents[4] / "docs" / "contracts.md").read_text("utf-8")
    lines = page[page.index('    {"loadBalancingConfig"') :].splitlines()
    return json.dumps(json.loads("".join(takewhile(lambda line: line.startswith("    "), lines))))


@pytest.mark.timeout(60)
def test_a_rolling_restart_fails_no_call_of_a_client_with_the_documented_config(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, transport: str
) -> None:
    patient = redis_settings.model_copy(update={"timeout_ms": 20_000})
    ports = [free_port(), free_port()]
    servers = [
        serving(loop, settings_for(patient, transport=transport, port=port, drain_s=1), FakeTagger()) for port in ports
    ]
    stopped = threading.Event()
    request = tags_pb2.BatchGetProductTagsRequest(product_ids=["p"])

    with ExitStack() as stack:
        stacks = [stack.enter_context(ExitStack()) for _ in ports]
        for each, server in zip(stacks, servers, strict=True):
            each.enter_context(server)
        target = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
        options = [
            ("grpc.service_config", documented_service_config()),
            ("grpc.max_reconnect_backoff_ms", 500),
            ("grpc.default_authority", "hangtag"),
        ]
        channel = stack.enter_context(grpc.insecure_channel(target, options=options))
        stub = tags_pb2_grpc.TagServiceStub(channel)

        def call_on() -> list[grpc.Future]:
            """Up to 300 calls a second, whatever the answers take."""
            calls = []
            while not stopped.wait(1 / 300):
                calls.append(stub.BatchGetProductTags.future(request, timeout=20))
            return calls

        with concurrent.futures.ThreadPoolExecutor(1) as threads:
            client = threads.submit(call_on)
            try:
                for port, each in zip(ports, stacks, strict=True):
                    each.close()
                    served = each.enter_context(
                        serving(loop, settings_for(patient, transport=transport, port=port, drain_s=1), FakeTagger())
                    )
                    until(lambda served=served: served.health() == SERVING)
                    time.sleep(1.5)
            finally:
                stopped.set()
            codes = [call.code() for call in client.result(20)]
            assert len(codes) > 100
            assert set(codes) == {Code.OK}

"""Deadlines: in the past, passing while the store or the model is slow, far away, and none."""

import time
from collections.abc import Iterator

import pytest

from hangtag.telemetry import metrics
from hangtag.v1 import tags_pb2
from tests.forwarder import Forwarder
from tests.integration.server.behaviour.peer import Peer, headers, message
from tests.integration.server.parts import Code, FakeTagger, Served, calls_in_flight, until

GET = tags_pb2.GetProductTagsRequest(product_id="never").SerializeToString()
BATCH = tags_pb2.BatchGetProductTagsRequest(product_ids=["never"] * 200).SerializeToString()
SUGGEST = tags_pb2.SuggestTagsRequest(text="red shoes").SerializeToString()
BODIES = {"GetProductTags": GET, "BatchGetProductTags": BATCH, "SuggestTags": SUGGEST}
ANSWERED = {"GetProductTags": Code.NOT_FOUND, "BatchGetProductTags": Code.OK, "SuggestTags": Code.OK}
DEADLINE_EXCEEDED = Code.DEADLINE_EXCEEDED.value[0]


@pytest.fixture(params=BODIES)
def method(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def _slow(store_port: Forwarder, tagger: FakeTagger) -> Iterator[None]:
    """Neither the store nor the model answers."""
    store_port.stall()
    tagger.gate.clear()
    yield
    store_port.flow()
    tagger.gate.set()
    until(lambda: calls_in_flight() == 0)


def call(peer: Peer, method: str, timeout: str | None) -> int | None:
    """The status of a call whose header `grpc-timeout` is this."""
    fields = headers(f"/hangtag.v1.TagService/{method}", grpc_timeout=timeout)
    return peer.call(message(BODIES[method]), fields).status


def counted(method: str, code: str) -> float:
    return metrics.SERVER.get_sample_value("hangtag_calls_total", {"method": method, "code": code}) or 0


@pytest.mark.usefixtures("_slow")
@pytest.mark.parametrize("timeout", ["0n", "1n", "0S", "30m", "200m"])
def test_a_call_ends_when_its_deadline_passes(peer: Peer, method: str, timeout: str) -> None:
    assert call(peer, method, timeout) == DEADLINE_EXCEEDED


def test_no_call_is_kept_for_a_caller_whose_deadline_passed(
    served: Served, store_port: Forwarder, tagger: FakeTagger, method: str
) -> None:
    before = counted(method, "DEADLINE_EXCEEDED")
    store_port.stall()
    tagger.gate.clear()
    late = [served.channel.unary_unary(f"/hangtag.v1.TagService/{method}").future(BODIES[method], timeout=1)]
    late += [served.channel.unary_unary(f"/hangtag.v1.TagService/{method}").future(BODIES[method], timeout=1.2)]
    assert {each.code() for each in late} == {Code.DEADLINE_EXCEEDED}
    store_port.flow()
    tagger.gate.set()

    until(lambda: calls_in_flight() == 0)
    until(lambda: counted(method, "DEADLINE_EXCEEDED") == before + 2)


@pytest.mark.parametrize("timeout", ["99999999H", "99999999S", None])
def test_a_deadline_far_away_and_none(peer: Peer, method: str, timeout: str | None) -> None:
    assert call(peer, method, timeout) == ANSWERED[method].value[0]


def test_a_call_without_a_deadline_waits_for_a_slow_store(served: Served, store_port: Forwarder) -> None:
    store_port.stall()
    waiting = served.tags.BatchGetProductTags.future(tags_pb2.BatchGetProductTagsRequest(product_ids=["never"]))
    until(lambda: calls_in_flight() == 1)
    time.sleep(0.3)
    assert not waiting.done()
    store_port.flow()

    assert len(waiting.result(5).products) == 1


def test_a_short_deadline_of_one_caller_leaves_the_others_alone(served: Served, store_port: Forwarder) -> None:
    store_port.stall()
    request = tags_pb2.BatchGetProductTagsRequest(product_ids=["never"])
    patient = served.tags.BatchGetProductTags.future(request, timeout=10)
    hasty = served.tags.BatchGetProductTags.future(request, timeout=0.1)
    assert hasty.code() is Code.DEADLINE_EXCEEDED
    store_port.flow()

    assert len(patient.result().products) == 1

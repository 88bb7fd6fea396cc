"""Connections: many calls on one, half-closed, going away, silent, pinging, and not reading."""

import grpc
import pytest
from hyperframe.frame import GoAwayFrame

from hangtag.store import Entry, RedisTagStore
from hangtag.v1 import tags_pb2, tags_pb2_grpc
from tests.forwarder import Forwarder
from tests.integration.server.behaviour.memory import peak_memory
from tests.integration.server.behaviour.outcome import is_refused, reason_of
from tests.integration.server.behaviour.peer import SERVICE, Peer, headers, message
from tests.integration.server.parts import FakeTagger, Served, calls_in_flight, until

BATCH, SUGGEST = f"{SERVICE}/BatchGetProductTags", f"{SERVICE}/SuggestTags"
ONE = message(tags_pb2.BatchGetProductTagsRequest(product_ids=["never"]).SerializeToString())
TEXT = message(tags_pb2.SuggestTagsRequest(text="red shoes").SerializeToString())
MIB = 1024 * 1024
REFUSED_STREAM = 7


def test_many_calls_at_once_on_one_connection(served: Served, store_port: Forwarder) -> None:
    """More than a server lets run on a connection: a client keeps the rest until there is room."""
    store_port.stall()
    request = tags_pb2.BatchGetProductTagsRequest(product_ids=["never"])
    calls = [served.tags.BatchGetProductTags.future(request, timeout=20) for _ in range(3_000)]
    until(lambda: calls_in_flight() > 50)
    store_port.flow()

    assert sum(len(call.result().products) for call in calls) == 3_000


@pytest.mark.parametrize("name", [None, "hangtag"])
def test_a_client_with_a_list_of_addresses(
    request: pytest.FixtureRequest, served: Served, transport: str, name: str | None
) -> None:
    """gRPC's client sends the list itself as the name of the server, unless it is given one."""
    if name is None and transport == "native":
        why = "pygrpc-native 0.5 refuses a list of addresses as :authority; clients set grpc.default_authority"
        request.applymarker(pytest.mark.xfail(reason=why, strict=True))
    address = f"127.0.0.1:{served.port}"
    options = [] if name is None else [("grpc.default_authority", name)]

    with grpc.insecure_channel(f"ipv4:{address},{address}", options=options) as channel:
        stub = tags_pb2_grpc.TagServiceStub(channel)
        request_message = tags_pb2.BatchGetProductTagsRequest(product_ids=["never"])
        assert len(stub.BatchGetProductTags(request_message, timeout=5).products) == 1


def test_streams_beyond_the_announced_number_are_refused_alone(peer: Peer, tagger: FakeTagger) -> None:
    most = peer.settings.get(3)
    if most is None:
        pytest.skip("this transport announces no limit: admission counts the calls")
    tagger.gate.clear()
    streams = [peer.open(headers(SUGGEST)) for _ in range(most + 5)]
    peer.read_until(lambda: sum(peer.answers[stream].is_over for stream in streams) >= 5)

    assert [is_refused(peer.answers[stream]) for stream in streams[-5:]] == [True] * 5
    peer.data(streams[0], TEXT)
    tagger.gate.set()
    assert peer.answer(streams[0]).status == 0


def test_calls_that_are_started_before_the_client_goes_away_are_answered(peer: Peer, tagger: FakeTagger) -> None:
    tagger.gate.clear()
    stream = peer.open(headers(SUGGEST))
    peer.data(stream, TEXT)
    until(calls_in_flight)
    peer.send(GoAwayFrame(0, last_stream_id=0))
    peer.read_for(0.1)
    tagger.gate.set()

    assert peer.answer(stream).status == 0


def test_a_half_closed_connection_ends_its_calls(peer: Peer, tagger: FakeTagger) -> None:
    """No gRPC client half-closes; behind a proxy it means that the client is gone."""
    tagger.gate.clear()
    stream = peer.open(headers(SUGGEST))
    peer.data(stream, TEXT)
    until(calls_in_flight)

    peer.half_close()

    assert peer.read_until(lambda: peer.is_closed)
    until(lambda: calls_in_flight() == 0)


@pytest.mark.timeout(60)
def test_a_client_that_does_not_read_is_refused_while_others_are_answered(
    served: Served, store: RedisTagStore, transport: str
) -> None:
    ids = [f"{number:04}{'x' * 250}" for number in range(300)]
    tags = tags_pb2.ProductTags(version=1, tags=[tags_pb2.Tag(facet="color", value="navy", confidence=0.5)] * 20)
    store.write([Entry(product, 1, tags.SerializeToString()) for product in ids])
    request = message(tags_pb2.BatchGetProductTagsRequest(product_ids=ids).SerializeToString())

    with peak_memory() as peak, Peer(served.port, window=0) as silent:
        first = silent.open(headers(BATCH))
        silent.data(first, request)
        for _ in range(400):
            silent.data(silent.open(headers(BATCH)), request)
            assert silent.is_served()
            until(lambda: calls_in_flight() == 0)
            if any(map(is_refused, silent.answers.values())):
                break
        refused = next(filter(is_refused, silent.answers.values()))
        # Native: or its stream, beyond the number of streams that a connection may have.
        assert reason_of(refused) == "UNREAD_REPLIES" or (transport, refused.reset) == ("native", REFUSED_STREAM)
        assert len(served.batch(["never"])) == 1
        # What it reads after all is complete.
        silent.allow(first, 4 * MIB)
        assert silent.answer(first).status == 0
    assert peak() < 150 * MIB

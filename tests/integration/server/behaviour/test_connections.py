"""Connections: many calls on one, half-closed, going away, silent, pinging, and not reading."""

import time

import psutil
import pytest
from hyperframe.frame import GoAwayFrame, WindowUpdateFrame

from hangtag.store import Entry, RedisTagStore
from hangtag.v1 import tags_pb2
from tests.forwarder import Forwarder
from tests.integration.server.behaviour.outcome import is_refused
from tests.integration.server.behaviour.peer import SERVICE, Peer, headers, message
from tests.integration.server.parts import FakeTagger, Served, calls_in_flight, until

BATCH, SUGGEST = f"{SERVICE}/BatchGetProductTags", f"{SERVICE}/SuggestTags"
ONE = message(tags_pb2.BatchGetProductTagsRequest(product_ids=["never"]).SerializeToString())
TEXT = message(tags_pb2.SuggestTagsRequest(text="red shoes").SerializeToString())
MIB = 1024 * 1024


def test_many_calls_at_once_on_one_connection(served: Served, store_port: Forwarder) -> None:
    """More than a server lets run on a connection: a client keeps the rest until there is room."""
    store_port.stall()
    request = tags_pb2.BatchGetProductTagsRequest(product_ids=["never"])
    calls = [served.tags.BatchGetProductTags.future(request, timeout=20) for _ in range(3_000)]
    until(lambda: calls_in_flight() > 50)
    store_port.flow()

    assert sum(len(call.result().products) for call in calls) == 3_000


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


def test_a_client_may_ping_every_ten_seconds_without_calls(peer: Peer) -> None:
    """Twice, without having to wait: two pings in a row are what servers forgive."""
    for _ in range(2):
        assert peer.is_served()
    assert peer.goaway is None


def test_a_client_that_does_not_read_holds_little_memory_and_harms_nobody(
    served: Served, store: RedisTagStore
) -> None:
    """Its calls are refused once 16 MiB wait for it; others are answered, and its memory is freed with it."""
    ids = [f"{number:04}{'x' * 250}" for number in range(1_000)]
    tags = tags_pb2.ProductTags(version=1, tags=[tags_pb2.Tag(facet="color", value="navy", confidence=0.5)] * 20)
    store.write([Entry(product, 1, tags.SerializeToString()) for product in ids])
    request = message(tags_pb2.BatchGetProductTagsRequest(product_ids=ids).SerializeToString())
    before = psutil.Process().memory_info().rss

    with Peer(served.port, window=0) as silent:
        streams = []
        for _ in range(100):
            streams.append(silent.open(headers(BATCH)))
            silent.data(streams[-1], request)
        assert silent.read_until(lambda: any(silent.answers[stream].status == 8 for stream in streams), 20)
        started = time.monotonic()
        assert len(served.batch(["never"])) == 1
        assert time.monotonic() - started < 5
        assert psutil.Process().memory_info().rss - before < 150 * MIB
        # What it reads after all is complete.
        silent.send(*(WindowUpdateFrame(streams[0], window_increment=2 * MIB),))
        assert silent.answer(streams[0]).status == 0

"""Callers that cancel, or are gone: their calls end, are counted, and take nothing from others."""

import gc
import time

import pytest
from hyperframe.frame import RstStreamFrame

from hangtag.server.look_up import LookUp
from hangtag.telemetry import metrics
from hangtag.v1 import tags_pb2
from tests.forwarder import Forwarder
from tests.integration.server.behaviour.peer import SERVICE, Peer, headers, message
from tests.integration.server.parts import SERVING, Code, FakeTagger, Served, calls_in_flight, until

BATCH = tags_pb2.BatchGetProductTagsRequest(product_ids=["never"])
CANCEL = 8


def counted(method: str) -> float:
    labels = {"method": method, "code": "CANCELLED"}
    return metrics.SERVER.get_sample_value("hangtag_calls_total", labels) or 0


def test_a_cancelled_look_up_is_counted_and_others_of_the_product_are_answered(
    served: Served, store_port: Forwarder
) -> None:
    before = counted("BatchGetProductTags")
    store_port.stall()
    calls = [served.tags.BatchGetProductTags.future(BATCH, timeout=10) for _ in range(3)]
    until(lambda: calls_in_flight() == 3)

    calls[1].cancel()
    assert served.health() == SERVING  # on the same connection: the server has read the cancellation
    store_port.flow()

    assert [len(call.result().products) for call in (calls[0], calls[2])] == [1, 1]
    until(lambda: calls_in_flight() == 0)
    until(lambda: counted("BatchGetProductTags") == before + 1)


def test_nothing_is_kept_of_look_ups_that_were_cancelled_while_they_waited_for_a_reader(
    served: Served, store_port: Forwarder
) -> None:
    store_port.stall()
    calls = []
    for _ in range(40):
        calls.append(served.tags.BatchGetProductTags.future(BATCH, timeout=10))
        time.sleep(0.002)  # more lists than there are readers
    until(lambda: calls_in_flight() == 40)
    for call in calls:
        call.cancel()
    store_port.flow()
    until(lambda: calls_in_flight() == 0)

    def kept() -> int:
        served.batch(["never"])  # a reader keeps its last list until it has another one
        return sum(type(each) is LookUp for each in gc.get_objects())

    until(lambda: kept() < 10)


def test_a_cancelled_suggestion_is_counted_and_not_computed(served: Served, tagger: FakeTagger) -> None:
    before = counted("SuggestTags")
    tagger.batches.clear()
    tagger.gate.clear()
    first = served.suggest_later("one")
    until(lambda: tagger.batches)
    cancelled = served.suggest_later("one two")
    until(lambda: calls_in_flight() == 2)

    cancelled.cancel()
    until(lambda: calls_in_flight() == 1)
    last = served.suggest_later("one two three")
    until(lambda: calls_in_flight() == 2)
    tagger.gate.set()

    assert [call.result().tags[0].value for call in (first, last)] == ["1", "3"]
    assert tagger.batches == [1, 1]
    until(lambda: counted("SuggestTags") == before + 1)


@pytest.mark.parametrize("how", ["reset", "close"])
def test_a_connection_that_is_gone_frees_its_calls(served: Served, tagger: FakeTagger, how: str) -> None:
    tagger.gate.clear()
    body = message(tags_pb2.SuggestTagsRequest(text="red shoes").SerializeToString())
    with Peer(served.port) as peer:
        streams = [peer.open(headers(f"{SERVICE}/SuggestTags")) for _ in range(20)]
        for stream in streams:
            peer.data(stream, body)
        until(lambda: calls_in_flight() == 20)
        if how == "reset":
            peer.send(*(RstStreamFrame(stream, error_code=CANCEL) for stream in streams))
            until(lambda: calls_in_flight() == 0)
            assert peer.is_served()
    until(lambda: calls_in_flight() == 0)
    tagger.gate.set()

    assert served.suggest("two words").tags[0].value == "2"


def test_a_stream_that_is_reset_before_its_request_is_complete_is_no_call(served: Served, peer: Peer) -> None:
    stream = peer.open()
    peer.data(stream, message(b"", length=10), ends=False)
    peer.send(RstStreamFrame(stream, error_code=CANCEL))

    whole = peer.call(message(BATCH.SerializeToString()), headers(f"{SERVICE}/BatchGetProductTags"))
    assert whole.status == 0
    assert calls_in_flight() == 0
    assert served.tags.BatchGetProductTags.future(BATCH, timeout=5).code() is Code.OK

"""Metadata of requests: usual, binary, large and too large."""

import pytest

from hangtag.v1 import tags_pb2
from tests.integration.server.behaviour.outcome import is_refused
from tests.integration.server.behaviour.peer import Peer, headers, message
from tests.integration.server.parts import Served

REQUEST = tags_pb2.BatchGetProductTagsRequest(product_ids=["never"])
PATH = "/hangtag.v1.TagService/BatchGetProductTags"
BODY = message(REQUEST.SerializeToString())


@pytest.mark.parametrize(
    "metadata",
    [
        [("token", "x" * 31_000)],
        [(f"key-{number}", "value") for number in range(500)],
        [("trace-bin", bytes(range(256))), ("trace-bin", b"")],
        [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("x-request-id", "a, b; c=d")],
    ],
    ids=["one of 31 kB", "500", "binary", "usual"],
)
def test_metadata_up_to_32_kib_is_accepted(served: Served, metadata: list[tuple[str, str | bytes]]) -> None:
    assert len(served.tags.BatchGetProductTags(REQUEST, timeout=5, metadata=metadata).products) == 1


@pytest.mark.parametrize("size", [45_000, 100_000])
def test_metadata_that_is_too_large_ends_the_call_alone(peer: Peer, size: int) -> None:
    refused = peer.call(BODY, headers(PATH, token="x" * size))

    assert is_refused(refused)
    assert not refused.body
    assert peer.call(BODY, headers(PATH)).status == 0


def test_a_megabyte_of_metadata_ends_at_most_its_own_connection(served: Served) -> None:
    with Peer(served.port) as peer:
        answer = peer.call(BODY, headers(PATH, token="x" * 1_000_000))
        assert is_refused(answer) or peer.goaway is not None

    assert len(served.batch(["never"])) == 1


@pytest.mark.parametrize("name", ["Upper", "", ":unknown"])
def test_a_header_that_http_2_forbids_is_never_served(served: Served, name: str) -> None:
    with Peer(served.port) as peer:
        answer = peer.call(BODY, [*headers(PATH), (name, "value")])
        assert is_refused(answer) or peer.goaway is not None

    assert len(served.batch(["never"])) == 1


def test_metadata_that_is_not_base64_under_a_binary_name_harms_nobody(peer: Peer) -> None:
    peer.call(BODY, [*headers(PATH), ("trace-bin", "!!!")])

    assert peer.call(BODY, headers(PATH)).status == 0

"""Requests that are wrong gRPC: each ends with an error at most, and its connection goes on."""

import pytest

from hangtag.v1 import tags_pb2
from tests.integration.server.behaviour.outcome import is_refused
from tests.integration.server.behaviour.peer import SERVICE, Answer, Headers, Peer, headers, message
from tests.integration.server.parts import Code, Served

PATH = f"{SERVICE}/BatchGetProductTags"
REQUEST = message(tags_pb2.BatchGetProductTagsRequest(product_ids=["never"]).SerializeToString())
OTHER = message(tags_pb2.BatchGetProductTagsRequest(product_ids=["other"] * 2).SerializeToString())
UNIMPLEMENTED = Code.UNIMPLEMENTED.value[0]


def products(answer: Answer) -> list[str]:
    found = tags_pb2.BatchGetProductTagsResponse.FromString(answer.body[5:]).products
    return [product.product_id for product in found]


@pytest.fixture(autouse=True)
def _goes_on(peer: Peer) -> object:
    yield
    assert products(peer.call(REQUEST, headers(PATH))) == ["never"]


@pytest.mark.parametrize(
    "body",
    [b"", b"\0\0\0", message(REQUEST, length=len(REQUEST) + 10), b"\0"],
    ids=["no message", "part of a length", "part of a message", "one byte"],
)
def test_an_incomplete_request_is_never_answered_as_a_call(peer: Peer, body: bytes) -> None:
    """gRPC itself says nothing until the deadline; another server may say what is wrong."""
    answer = peer.call(body, headers(PATH, grpc_timeout="200m"))

    assert is_refused(answer)
    assert not answer.body


def test_of_two_messages_the_first_is_the_request(peer: Peer) -> None:
    assert products(peer.call(REQUEST + OTHER, headers(PATH))) == ["never"]


def test_a_request_that_comes_byte_by_byte(peer: Peer) -> None:
    stream = peer.open(headers(PATH))
    for place in range(len(REQUEST)):
        peer.data(stream, REQUEST[place : place + 1], ends=False)
    peer.data(stream, b"")

    assert products(peer.answer(stream)) == ["never"]


def test_a_request_that_ends_with_trailers(peer: Peer) -> None:
    stream = peer.open(headers(PATH))
    peer.data(stream, REQUEST, ends=False)
    peer.send(*peer.header_frames(stream, [("checksum", "1")], ends=True))

    assert products(peer.answer(stream)) == ["never"]


@pytest.mark.parametrize("kind", ["application/grpc+proto", "application/grpc;charset=utf-8", "application/grpc"])
def test_every_content_type_of_grpc_is_served(peer: Peer, kind: str) -> None:
    assert products(peer.call(REQUEST, headers(PATH, content_type=kind))) == ["never"]


@pytest.mark.parametrize(
    "path",
    [f"{SERVICE}/Unknown", "/unknown.Service/GetProductTags", "/", "*", f"{PATH}/", f"{SERVICE}/getproducttags"],
)
def test_an_unknown_method_is_unimplemented(peer: Peer, path: str) -> None:
    answer = peer.call(REQUEST, headers(path))

    assert answer.status == UNIMPLEMENTED
    assert answer.headers["content-type"] == "application/grpc"


@pytest.mark.parametrize(
    "fields",
    [headers(None), headers(PATH, method=None), headers(PATH, scheme=None), headers(PATH, method="CONNECT")],
    ids=["no path", "no method", "no scheme", "CONNECT"],
)
def test_a_request_without_what_http_2_requires_is_refused(peer: Peer, fields: Headers) -> None:
    assert is_refused(peer.call(REQUEST, fields))


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_another_http_method_changes_nothing(peer: Peer, method: str) -> None:
    """It is refused, or served like POST: there is nothing that it could change."""
    answer = peer.call(REQUEST, headers(PATH, method=method))

    assert is_refused(answer) or products(answer) == ["never"]


def test_a_wrong_timeout_is_refused_or_ignored(served: Served, peer: Peer) -> None:
    for wrong in ("abc", "1", "", "-1S", "1.5S"):
        answer = peer.call(REQUEST, headers(PATH, grpc_timeout=wrong))
        assert is_refused(answer) or products(answer) == ["never"]

"""Requests and replies: large, compressed, and no messages at all."""

import gzip
import zlib
from functools import partial

import pytest

from hangtag.store import Entry, RedisTagStore
from hangtag.v1 import tags_pb2
from tests.integration.server.behaviour.memory import peak_memory
from tests.integration.server.behaviour.outcome import is_refused, outcome_of
from tests.integration.server.behaviour.peer import Answer, Peer, headers, message
from tests.integration.server.parts import Code, Served

MIB = 1024 * 1024
PATH = "/hangtag.v1.TagService/BatchGetProductTags"
REQUEST = tags_pb2.BatchGetProductTagsRequest(product_ids=["never"]).SerializeToString()


def padded(size: int) -> bytes:
    """A valid request of so many bytes, most of them in a field that the server does not know."""
    room = size - len(REQUEST) - 2
    length = room - 3 if room >= 2**14 else room - 2
    field = b"\xfa\x01" + _varint(length) + b"x" * length
    return REQUEST + field[: size - len(REQUEST)]


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def raw(served: Served, method: str, request: bytes) -> object:
    return served.channel.unary_unary(f"/hangtag.v1.TagService/{method}").future(request, timeout=20)


def test_a_request_of_1_mib_is_accepted_and_one_more_byte_is_not(served: Served) -> None:
    largest = padded(MIB)
    assert len(largest) == MIB

    assert raw(served, "BatchGetProductTags", largest).code() is Code.OK
    ended = outcome_of(raw(served, "BatchGetProductTags", padded(MIB + 1)))
    assert (ended.code, ended.reason, ended.retry_ms) == (Code.INVALID_ARGUMENT, "REQUEST_TOO_LARGE", None)
    assert f"{MIB + 1} bytes" in ended.message


@pytest.mark.parametrize("method", ["GetProductTags", "BatchGetProductTags", "SuggestTags"])
@pytest.mark.parametrize("size", [2 * MIB, 15 * MIB])
def test_a_request_up_to_16_mib_is_invalid(served: Served, method: str, size: int) -> None:
    """Not RESOURCE_EXHAUSTED, for which clients retry."""
    ended = outcome_of(raw(served, method, b"x" * size))

    assert (ended.code, ended.reason) == (Code.INVALID_ARGUMENT, "REQUEST_TOO_LARGE")


def test_a_request_over_16_mib_is_refused(peer: Peer) -> None:
    answer = peer.call(message(b"x" * (16 * MIB + 1)), headers(PATH))

    assert is_refused(answer)
    assert peer.call(message(REQUEST), headers(PATH)).status == 0


def test_a_request_that_says_that_it_has_four_gigabytes_is_refused(peer: Peer) -> None:
    assert is_refused(peer.call(message(b"x", length=2**32 - 1), headers(PATH)))
    assert peer.call(message(REQUEST), headers(PATH)).status == 0


def test_a_compressed_request_is_read(peer: Peer) -> None:
    fields = headers(PATH, grpc_encoding="gzip")

    answer = peer.call(message(gzip.compress(REQUEST), flag=1), fields)

    assert answer.status == 0
    (product,) = tags_pb2.BatchGetProductTagsResponse.FromString(answer.body[5:]).products
    assert product.product_id == "never"
    # A client that can compress need not.
    assert peer.call(message(REQUEST), fields).status == 0


@pytest.mark.parametrize(
    ("encoding", "flag", "payload"),
    [
        (None, 1, REQUEST),
        ("gzip", 1, b"no gzip"),
        ("gzip", 1, gzip.compress(REQUEST)[:-9]),
        ("unknown", 1, REQUEST),
        ("identity", 1, REQUEST),
    ],
    ids=["no encoding named", "no gzip", "cut gzip", "unknown encoding", "compressed by nothing"],
)
def test_a_compressed_request_that_cannot_be_read_fails_alone(
    peer: Peer, encoding: str | None, flag: int, payload: bytes
) -> None:
    assert is_refused(peer.call(message(payload, flag=flag), headers(PATH, grpc_encoding=encoding)))
    assert peer.call(message(REQUEST), headers(PATH)).status == 0


@pytest.fixture
def _bounded(request: pytest.FixtureRequest, transport: str) -> None:
    if transport == "native":
        why = "pygrpc-native 0.5 has no limit for a message: it is read, and expanded, before Hangtag can refuse it"
        request.applymarker(pytest.mark.xfail(reason=why, strict=True))


@pytest.mark.usefixtures("_bounded")
@pytest.mark.parametrize("kind", ["large", "expands"])
def test_a_request_that_is_far_too_large_takes_no_memory(served: Served, kind: str) -> None:
    size = 200 * MIB
    body = message(_compressed_zeros(size), flag=1) if kind == "expands" else message(bytes(size))
    encoding = "gzip" if kind == "expands" else None

    with Peer(served.port) as peer, peak_memory() as peak:
        answer = peer.call(body, headers(PATH, grpc_encoding=encoding))

    assert is_refused(answer)
    assert peak() < size // 2


@pytest.mark.parametrize("method", ["BatchGetProductTags", "BatchSuggestTags"])
def test_repeated_fields_without_end_are_refused_one_after_the_other(served: Served, method: str) -> None:
    """A mebibyte of empty texts takes 44 MiB once it is parsed: not for all calls at the same time."""
    request, calls = b"\x0a\x00" * (MIB // 2), 20

    with peak_memory() as peak:
        ended = [outcome_of(call) for call in [raw(served, method, request) for _ in range(calls)]]

    assert {(each.code, each.reason) for each in ended} == {(Code.INVALID_ARGUMENT, "INVALID_REQUEST")}
    assert peak() < calls * 44 * MIB // 2


def _compressed_zeros(size: int) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    part = bytes(MIB)
    return b"".join(compressor.compress(part) for _ in range(size // MIB)) + compressor.flush()


@pytest.mark.parametrize("payload", [b"\xff" * 4, b"\x0a\x02\xff\xfe", b"\x0a\xff\xff\xff\xff\x0f", b"\x0b" * 500])
@pytest.mark.parametrize("method", ["GetProductTags", "BatchGetProductTags", "SuggestTags"])
def test_bytes_that_are_no_request_are_invalid(served: Served, method: str, payload: bytes) -> None:
    ended = outcome_of(raw(served, method, payload))

    assert (ended.code, ended.reason) == (Code.INVALID_ARGUMENT, "MALFORMED_REQUEST")
    assert f"not a hangtag.v1.{method}Request message" in ended.message


def test_the_largest_reply_reaches_a_client_with_a_small_window(served: Served, store: RedisTagStore) -> None:
    ids = [f"{number:04}{'ü' * 126}" for number in range(1_000)]
    tag = tags_pb2.Tag(facet="color", value="navy", confidence=0.5)
    store.write(
        [
            Entry(product, 1, tags_pb2.ProductTags(product_id=product, version=1, tags=[tag] * 20).SerializeToString())
            for product in ids
        ]
    )
    request = tags_pb2.BatchGetProductTagsRequest(product_ids=ids).SerializeToString()

    with Peer(served.port, window=20_000) as peer:
        stream = peer.open(headers(PATH))
        peer.data(stream, message(request))
        answer = peer.answers[stream]
        for read in range(0, 10 * MIB, 10_000):
            peer.read_until(partial(has_more, answer, read))
            peer.allow(stream, 10_000)
            if answer.is_over:
                break

    products = tags_pb2.BatchGetProductTagsResponse.FromString(answer.body[5:]).products
    assert [product.product_id for product in products] == ids


def has_more(answer: Answer, read: int) -> bool:
    return answer.is_over or len(answer.body) > read

"""The calls as JSON over HTTP: the same answers, errors and limits as over gRPC, by the same core."""

import concurrent.futures
import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("connectrpc", reason="the extra `http` is not installed")

from google.protobuf import json_format
from jsonschema import Draft202012Validator

from hangtag.store import Arrival, RedisTagStore
from hangtag.telemetry import metrics
from hangtag.v1 import tags_pb2
from tests.forwarder import Forwarder
from tests.integration.server.behaviour.outcome import outcome_of
from tests.integration.server.parts import Code, FakeTagger, Served, calls_in_flight, until
from tests.integration.server.test_calls import entry
from tests.integration.server.web_client import JSON, SERVICE, Reply, WebClient

OPENAPI = json.loads((Path(__file__).resolve().parents[4] / "docs" / "openapi.json").read_text("utf-8"))
SHOP = "https://shop.example"


@pytest.fixture(scope="module")
def limits() -> dict[str, object]:
    return {"http_port": 0, "http_cors_origins": SHOP, "max_concurrent": 8}


@pytest.fixture
def web(served: Served) -> Iterator[WebClient]:
    with WebClient(served.http_port) as web:
        yield web


def counted(method: str, code: str) -> float:
    return metrics.SERVER.get_sample_value("hangtag_calls_total", {"method": method, "code": code}) or 0


def fits(reply: Reply, method: str) -> bool:
    """The reply is as docs/openapi.json says, and has no other field."""
    responses = OPENAPI["paths"][f"{SERVICE}/{method}"]["post"]["responses"]
    name = "Error" if reply.status != 200 else responses["200"]["content"]["application/json"]["schema"]["$ref"]
    closed = json.loads(json.dumps(OPENAPI["components"]["schemas"]).replace('"type": "object"', _CLOSED))
    assert str(reply.status) in responses
    schema = {"$ref": f"#/components/schemas/{name.rpartition('/')[2]}", "components": {"schemas": closed}}
    Draft202012Validator(schema).validate(reply.json)
    return True


_CLOSED = '"type": "object", "additionalProperties": false'


def test_every_call_answers_as_over_grpc(served: Served, store: RedisTagStore, web: WebClient) -> None:
    store.write([entry("ring ü", 2**53 + 1), entry("stale", 5)])
    store.mark_seen([Arrival("stale", 6), Arrival("pending", 1)])
    requests = {
        "GetProductTags": {"product_id": "ring ü", "min_version": str(2**53 + 1), "filter": {"max_tags": 2}},
        "BatchGetProductTags": {"productIds": ["ring ü", "stale", "pending", "never"], "minVersions": [0, 7, 0, 0]},
        "SuggestTags": {"text": "one two", "kind": "TEXT_KIND_QUERY"},
        "BatchSuggestTags": {"texts": [{"text": "one"}, {"text": "one two", "merchant_category": "three"}]},
    }
    for method, request in requests.items():
        reply = web.call(method, request)
        described = tags_pb2.DESCRIPTOR.services_by_name["TagService"].methods_by_name[method]
        kinds = [getattr(tags_pb2, kind.name) for kind in (described.input_type, described.output_type)]
        by_grpc = getattr(served.tags, method)(json_format.ParseDict(request, kinds[0]()), timeout=10)
        read = json_format.ParseDict(reply.json, kinds[1]())

        assert reply.status == 200
        assert fits(reply, method)
        assert without_times(read) == without_times(by_grpc)
        # The same call in protobuf.
        raw = web.send(
            "POST",
            f"{SERVICE}/{method}",
            json_format.ParseDict(request, kinds[0]()).SerializeToString(),
            {"content-type": "application/proto"},
        )
        assert without_times(kinds[1].FromString(raw.body)) == without_times(by_grpc)
    assert web.call("GetProductTags", {"product_id": "ring ü"}).json["version"] == str(2**53 + 1)


def without_times(message: object) -> object:
    for each in getattr(message, "products", [message]):
        if hasattr(each, "as_of"):
            each.ClearField("as_of")
    return message


@pytest.mark.parametrize(
    ("method", "body", "status", "code", "reason", "part"),
    [
        ("GetProductTags", {}, 400, Code.INVALID_ARGUMENT, "INVALID_REQUEST", "product_id is empty"),
        ("GetProductTags", {"productId": "never"}, 404, Code.NOT_FOUND, "PRODUCT_UNKNOWN", "'never'"),
        ("GetProductTags", {"productId": 5}, 400, Code.INVALID_ARGUMENT, "MALFORMED_REQUEST", "field productId"),
        (
            *("GetProductTags", {"product_id": "p", "filter": {"min_band": "AUTO"}}, 400, Code.INVALID_ARGUMENT),
            *("MALFORMED_REQUEST", "filter.min_band has an unknown value; send one of BAND_UNSPECIFIED, BAND_AUTO"),
        ),
        (
            *("GetProductTags", {"product_id": "p", "filter": {"max_tags": "secret"}}, 400, Code.INVALID_ARGUMENT),
            *("MALFORMED_REQUEST", "field filter.max_tags has a value of the wrong kind; docs/openapi.json"),
        ),
        ("GetProductTags", b"", 400, Code.INVALID_ARGUMENT, "MALFORMED_REQUEST", "it is empty"),
        ("GetProductTags", b"[]", 400, Code.INVALID_ARGUMENT, "MALFORMED_REQUEST", "no object"),
        ("GetProductTags", b'{"product_id": "\xff"}', 400, Code.INVALID_ARGUMENT, "MALFORMED_REQUEST", "UTF-8"),
        ("GetProductTags", b'{"a":' * 200_000, 400, Code.INVALID_ARGUMENT, "MALFORMED_REQUEST", "not JSON"),
        ("GetProductTags", b'{"filter":' * 900 + b"1" + b"}" * 900, 400, Code.INVALID_ARGUMENT, "INVALID_REQUEST", ""),
        ("BatchGetProductTags", {"productIds": ["p"] * 1_001}, 400, Code.INVALID_ARGUMENT, "INVALID_REQUEST", "1001"),
        ("SuggestTags", {"text": "x" * 10_001}, 400, Code.INVALID_ARGUMENT, "INVALID_REQUEST", "10001"),
        ("SuggestTags", {"text": "x" * 2**20}, 400, Code.INVALID_ARGUMENT, "REQUEST_TOO_LARGE", "split it"),
    ],
)
def test_an_error_that_the_caller_can_fix(
    web: WebClient, method: str, body: object, status: int, code: Code, reason: str, part: str
) -> None:
    before = counted(method, code.name)

    reply = web.call(method, body)

    assert (reply.status, reply.json["code"], reply.reason) == (status, code.name.lower(), reason)
    assert part in reply.json["message"]
    assert "secret" not in reply.json["message"]
    assert fits(reply, method)
    until(lambda: counted(method, code.name) == before + 1)


@pytest.mark.parametrize(
    ("verb", "path", "headers", "status", "reason"),
    [
        ("POST", f"{SERVICE}/Nothing", JSON, 501, "METHOD_UNKNOWN"),
        ("POST", "/", JSON, 501, "METHOD_UNKNOWN"),
        ("GET", f"{SERVICE}/GetProductTags", {}, 405, "MALFORMED_REQUEST"),
        ("POST", f"{SERVICE}/GetProductTags", {"content-type": "text/plain"}, 415, "MALFORMED_REQUEST"),
        ("POST", f"{SERVICE}/GetProductTags", {"content-type": "application/grpc"}, 415, "MALFORMED_REQUEST"),
        ("POST", f"{SERVICE}/GetProductTags", {**JSON, "content-encoding": "br"}, 400, "MALFORMED_REQUEST"),
        ("POST", f"{SERVICE}/GetProductTags", {**JSON, "content-encoding": "gzip"}, 400, "MALFORMED_REQUEST"),
        ("POST", f"{SERVICE}/GetProductTags", {**JSON, "connect-timeout-ms": "soon"}, 400, "MALFORMED_REQUEST"),
        ("POST", f"{SERVICE}/GetProductTags", {**JSON, "connect-protocol-version": "2"}, 400, "MALFORMED_REQUEST"),
        ("POST", f"{SERVICE}/GetProductTags", {**JSON, "x-name": "\xff"}, 400, "MALFORMED_REQUEST"),
    ],
)
def test_a_request_that_is_no_call(
    web: WebClient, verb: str, path: str, headers: dict[str, str], status: int, reason: str
) -> None:
    reply = web.send(verb, path, b"{}" if verb == "POST" else None, headers)

    assert (reply.status, reply.reason) == (status, reason)


def test_compressed_requests_and_replies(web: WebClient) -> None:
    request = json.dumps({"productIds": [f"never {n}" for n in range(500)]}).encode()

    reply = web.call("BatchGetProductTags", gzip.compress(request), content_encoding="gzip", accept_encoding="gzip")

    assert reply.headers["content-encoding"] == "gzip"
    assert len(reply.json["products"]) == 500
    assert len(reply.body) < 20_000
    bomb = gzip.compress(b" " * 50_000_000)
    assert web.call("GetProductTags", bomb, content_encoding="gzip").reason == "REQUEST_TOO_LARGE"


def test_a_body_of_unknown_length_is_limited(web: WebClient) -> None:
    web.connection.request("POST", f"{SERVICE}/SuggestTags", iter([b" " * 65_536] * 32), JSON, encode_chunked=True)

    reply = web.connection.getresponse()
    assert Reply(reply.status, {}, reply.read()).reason == "REQUEST_TOO_LARGE"


def test_a_deadline(served: Served, tagger: FakeTagger, web: WebClient) -> None:
    before = counted("SuggestTags", "DEADLINE_EXCEEDED")
    tagger.gate.clear()
    served.suggest_later("first")
    until(lambda: tagger.batches)

    reply = web.call("SuggestTags", {"text": "second"}, connect_timeout_ms="100")
    tagger.gate.set()

    assert (reply.status, reply.reason) == (504, "DEADLINE_PASSED")
    assert fits(reply, "SuggestTags")
    until(lambda: counted("SuggestTags", "DEADLINE_EXCEEDED") == before + 1)
    assert web.call("GetProductTags", {"product_id": "p"}, connect_timeout_ms="0").reason == "DEADLINE_PASSED"


def test_a_caller_that_is_gone_takes_nothing_from_others(served: Served, store_port: Forwarder, web: WebClient) -> None:
    before = counted("BatchGetProductTags", "CANCELLED")
    store_port.stall()
    with concurrent.futures.ThreadPoolExecutor(1) as thread, WebClient(served.http_port) as gone:
        gone.connection.request("POST", f"{SERVICE}/BatchGetProductTags", b'{"product_ids": ["never"]}', JSON)
        until(lambda: calls_in_flight() == 1)
        waiting = thread.submit(web.call, "BatchGetProductTags", {"product_ids": ["never"]})
        until(lambda: calls_in_flight() == 2)
        gone.connection.close()
        assert web_ready(served) == 200  # the server has read that the connection is closed
        store_port.flow()

        assert len(waiting.result().json["products"]) == 1
    until(lambda: counted("BatchGetProductTags", "CANCELLED") == before + 1)
    until(lambda: calls_in_flight() == 0)


def web_ready(served: Served) -> int:
    with WebClient(served.http_port) as other:
        return other.send("GET", "/readyz").status


def test_both_ways_in_share_one_limit(served: Served, store_port: Forwarder, web: WebClient) -> None:
    store_port.stall()
    waiting = [
        served.tags.BatchGetProductTags.future(tags_pb2.BatchGetProductTagsRequest(product_ids=["p"])) for _ in range(8)
    ]
    until(lambda: calls_in_flight() == 8)

    reply = web.call("BatchGetProductTags", {"product_ids": ["p"]})
    store_port.flow()

    assert (reply.status, reply.json["code"], reply.reason) == (429, "resource_exhausted", "TOO_MANY_CALLS")
    (retry,) = [each["debug"] for each in reply.json["details"] if each["type"] == "google.rpc.RetryInfo"]
    assert re.fullmatch(r"0\.\d{3}s", retry["retryDelay"])
    assert fits(reply, "BatchGetProductTags")
    assert {outcome_of(call).code for call in waiting} == {Code.OK}


def test_a_look_up_waits_for_a_version(store: RedisTagStore, web: WebClient) -> None:
    awaited = f"awaited {web.connection.port}"
    store.write([entry(awaited, 1)])
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        request = {"product_id": awaited, "wait_for_version": 2}
        waiting = thread.submit(web.call, "GetProductTags", request, connect_timeout_ms="15000")
        until(lambda: metrics.SERVER.get_sample_value("hangtag_waiting_lookups") == 1)
        store.write([entry(awaited, 2)])

        assert waiting.result().json["version"] == "2"


def test_a_page_of_a_listed_origin_may_call(web: WebClient) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}

    allowed = web.send("OPTIONS", f"{SERVICE}/GetProductTags", headers={"origin": SHOP, **asked})
    refused = web.send("OPTIONS", f"{SERVICE}/GetProductTags", headers={"origin": "https://other.example", **asked})

    assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (200, SHOP)
    assert {"authorization", "content-type"} <= set(allowed.headers["access-control-allow-headers"].lower().split(", "))
    assert "access-control-allow-origin" not in refused.headers
    # Errors too: else a page could not read them.
    reply = web.call("GetProductTags", {}, origin=SHOP)
    assert (reply.status, reply.headers["access-control-allow-origin"]) == (400, SHOP)


def test_requests_are_counted_by_status(web: WebClient) -> None:
    labels = {"method": "GetProductTags", "status": "404"}
    before = metrics.SERVER.get_sample_value("hangtag_http_requests_total", labels) or 0

    web.call("GetProductTags", {"product_id": "never"})

    until(lambda: metrics.SERVER.get_sample_value("hangtag_http_requests_total", labels) == before + 1)
    assert metrics.SERVER.get_sample_value("hangtag_http_connections") == 1

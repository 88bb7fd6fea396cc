"""Services beside the look-ups: health, reflection, and what is not implemented."""

import asyncio

import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from hangtag.settings import RedisSettings
from hangtag.v1 import tags_pb2
from tests.integration.server.parts import SERVING, Code, FakeTagger, Served, fails_with, serving, settings_for


@pytest.mark.parametrize("service", ["", "hangtag.v1.TagService"])
def test_health_is_answered(served: Served, service: str) -> None:
    assert served.health(service) == SERVING


def test_health_of_an_unknown_service_is_not_found(served: Served) -> None:
    with fails_with(Code.NOT_FOUND):
        served.health("hangtag.v2.TagService")


def test_health_can_be_watched_and_no_longer_watched(served: Served) -> None:
    watch = health_pb2_grpc.HealthStub(served.channel).Watch(
        health_pb2.HealthCheckRequest(service="hangtag.v1.TagService"), timeout=10
    )

    assert next(watch).status == SERVING
    watch.cancel()
    assert served.health() == SERVING


def test_reflection_in_its_final_version_answers_the_same(served: Served) -> None:
    """Tools ask for v1 first; the messages of both versions are the same on the wire."""
    answers = []
    for version in ("v1", "v1alpha"):
        call = served.channel.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo")
        requests = [
            reflection_pb2.ServerReflectionRequest(list_services=""),
            reflection_pb2.ServerReflectionRequest(file_containing_symbol="hangtag.v1.TagService"),
        ]
        answers.append(list(call((each.SerializeToString() for each in requests), timeout=5)))

    assert answers[0] == answers[1]
    assert b"GetProductTags" in answers[0][1]


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_can_be_switched_off(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, transport: str, version: str
) -> None:
    settings = settings_for(redis_settings, transport=transport, reflection=False)
    with serving(loop, settings, FakeTagger()) as served:
        call = served.channel.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo")
        with fails_with(Code.UNIMPLEMENTED):
            next(call(iter([b"\x3a\x00"]), timeout=5))
        assert served.health() == SERVING


def test_reflection_describes_every_method(served: Served) -> None:
    known = ProtoReflectionDescriptorDatabase(served.channel)

    assert {"hangtag.v1.TagService", "grpc.health.v1.Health"} <= set(known.get_services())
    service = DescriptorPool(known).FindServiceByName("hangtag.v1.TagService")
    assert [method.name for method in service.methods] == [
        method.name for method in tags_pb2.DESCRIPTOR.services_by_name["TagService"].methods
    ]


@pytest.mark.parametrize("path", ["/hangtag.v1.TagService/Unknown", "/hangtag.v2.TagService/GetProductTags"])
@pytest.mark.parametrize("kind", ["unary_unary", "unary_stream", "stream_unary", "stream_stream"])
def test_what_is_not_implemented_says_so(served: Served, kind: str, path: str) -> None:
    call = getattr(served.channel, kind)(path)
    request = iter([b"x"]) if kind.startswith("stream") else b"x"

    with fails_with(Code.UNIMPLEMENTED):
        answer = call(request, timeout=5)
        if kind.endswith("stream"):
            next(answer)


def test_a_unary_method_that_is_called_as_a_stream_takes_the_first_request(served: Served) -> None:
    request = tags_pb2.BatchGetProductTagsRequest(product_ids=["never"]).SerializeToString()
    call = served.channel.stream_stream("/hangtag.v1.TagService/BatchGetProductTags")

    replies = list(call(iter([request, request]), timeout=5))

    assert [len(tags_pb2.BatchGetProductTagsResponse.FromString(reply).products) for reply in replies] == [1]

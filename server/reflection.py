"""Reflection: what tools such as grpcurl ask for methods and messages."""

import grpc
from grpc_health.v1 import health
from grpc_reflection.v1alpha import reflection, reflection_pb2

from hangtag.server.methods import SERVICE

# The package has only v1alpha. In v1 the same messages have another name, which is not sent.
V1 = "grpc.reflection.v1.ServerReflection"
_METHOD = "ServerReflectionInfo"


def reflection_handlers() -> "list[grpc.GenericRpcHandler[bytes, bytes]]":
    """The handlers of both versions.

    They are not registered as `reflection.enable_server_reflection` does it: calls of registered methods do not come
    past the gate.
    """
    names = (V1, reflection.SERVICE_NAME)
    services = (SERVICE, health.SERVICE_NAME, *names)
    servicer = reflection.aio.ReflectionServicer(services)  # type: ignore[attr-defined] # not in the stubs
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return [grpc.method_handlers_generic_handler(name, {_METHOD: handler}) for name in names]

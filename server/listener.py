"""The gRPC listener: services, limits, port."""

from typing import Any

import grpc
from grpc import aio
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from hangtag.server.calls import Calls
from hangtag.server.errors import ServerError
from hangtag.server.handlers import Handlers
from hangtag.server.store_watch import HealthServicer
from hangtag.settings import ServerSettings
from hangtag.telemetry.clock import Clock
from hangtag.v1 import tags_pb2

SERVICE: str = tags_pb2.DESCRIPTOR.services_by_name["TagService"].full_name

# gRPC's default, made explicit; 1,000 ids of 256 bytes take 259 kB. The size of replies is not limited here.
_MAX_REQUEST_BYTES = 4 * 1024 * 1024
# How long calls may continue on a connection that is being closed; longer than any look-up and most deadlines.
_CONNECTION_GRACE_MS = 60_000
# Calls beyond the server's own limit: for health, reflection, and the calls that the server itself rejects.
_SPARE_CALLS = 1_000


def open_listener(
    settings: ServerSettings, handlers: Handlers, servicer: HealthServicer, clock: Clock
) -> tuple[aio.Server, int]:
    """Create the server without starting it; returns it and the port that it is bound to.

    Raises:
        ServerError: it cannot listen on the address.
    """
    server = aio.server(
        maximum_concurrent_rpcs=settings.max_concurrent + _SPARE_CALLS,
        options=[
            # Off, because a second server on the same port would silently receive half of the calls.
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", _MAX_REQUEST_BYTES),
            ("grpc.max_connection_age_ms", settings.max_connection_age_s * 1000),
            ("grpc.max_connection_age_grace_ms", _CONNECTION_GRACE_MS),
        ],
    )
    server.add_generic_rpc_handlers((_tag_service(handlers, Calls(clock, settings.max_concurrent)),))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    host = f"[{settings.host}]" if ":" in settings.host and not settings.host.startswith("[") else settings.host
    try:
        port = server.add_insecure_port(f"{host}:{settings.port}")
    except RuntimeError as error:
        msg = (
            f"cannot listen on {host}:{settings.port}: the port is in use, or this machine does not have that address; "
            "stop what uses the port, or set HANGTAG_SERVER__PORT (0: any free port) or HANGTAG_SERVER__HOST"
        )
        raise ServerError(msg) from error
    return server, port


def _tag_service(handlers: Handlers, calls: Calls) -> "grpc.GenericRpcHandler[Any, Any]":
    methods: dict[str, tuple[Any, Any]] = {
        "GetProductTags": (handlers.get_product_tags, tags_pb2.GetProductTagsRequest),
        "BatchGetProductTags": (handlers.batch_get_product_tags, tags_pb2.BatchGetProductTagsRequest),
        "SuggestTags": (handlers.suggest_tags, tags_pb2.SuggestTagsRequest),
    }
    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            # No serializer: handlers return serialised replies.
            method: grpc.unary_unary_rpc_method_handler(
                calls.wrap(method, handler), request_deserializer=request.FromString, response_serializer=None
            )
            for method, (handler, request) in methods.items()
        },
    )

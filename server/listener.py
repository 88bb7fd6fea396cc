"""The gRPC listener: services, limits, port."""

from typing import Any

import grpc
from grpc import aio
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from hangtag.server.calls import Calls, Method
from hangtag.server.coalescer import SMALL_READ
from hangtag.server.errors import ServerError
from hangtag.server.grpc_log import drop_lines_about_callers
from hangtag.server.handlers import Handlers
from hangtag.server.store_watch import HealthServicer
from hangtag.server.suggestions import Suggestions
from hangtag.settings import ServerSettings
from hangtag.v1 import tags_pb2

SERVICE: str = tags_pb2.DESCRIPTOR.services_by_name["TagService"].full_name

# Of the transport, which answers a larger request with RESOURCE_EXHAUSTED. `calls.MAX_REQUEST_BYTES` is what counts.
_MAX_MESSAGE_BYTES = 16 * 1024 * 1024
# Unless a setting says otherwise.
_CONNECTION_AGE_S = 300
# How long calls may continue on a connection that is being closed; longer than any look-up and most deadlines.
_CONNECTION_GRACE_MS = 60_000
# Calls that gRPC keeps until the event loop takes them. Beyond it gRPC ends calls with CANCELLED, so this is far above
# what `Calls` admits: whatever is refused is refused, counted and logged there.
_MAX_PENDING_CALLS = 100_000
# How long a connection may take to say that it speaks HTTP/2.
_HANDSHAKE_LIMIT_MS = 10_000
# A client that has not read from its connection for that long is disconnected, and its unread replies are freed.
_PING_EVERY_MS = 30_000
_PING_LIMIT_MS = 10_000
# Clients may ping that often, also without calls; some do every 10 s.
_MIN_CLIENT_PING_MS = 5_000
# gRPC refuses some requests between the two sizes, and all above.
_MAX_METADATA_BYTES = 32 * 1024
_ABSOLUTE_MAX_METADATA_BYTES = 40 * 1024


def open_listener(
    settings: ServerSettings,
    handlers: Handlers,
    suggestions: Suggestions,
    servicer: HealthServicer,
    calls: Calls,
) -> tuple[aio.Server, int]:
    """Create the server without starting it; returns it and the port that it is bound to.

    Raises:
        ServerError: it cannot listen on the address.
    """
    drop_lines_about_callers()
    server = aio.server(
        options=[
            # Off, because a second server on the same port would silently receive half of the calls.
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
            ("grpc.max_connection_age_ms", (settings.max_connection_age_s or _CONNECTION_AGE_S) * 1000),
            ("grpc.max_connection_age_grace_ms", _CONNECTION_GRACE_MS),
            ("grpc.server.max_pending_requests", _MAX_PENDING_CALLS),
            ("grpc.server.max_pending_requests_hard_limit", _MAX_PENDING_CALLS),
            ("grpc.server_handshake_timeout_ms", _HANDSHAKE_LIMIT_MS),
            ("grpc.keepalive_time_ms", _PING_EVERY_MS),
            # The first limits the time without any data after a ping, the second the time to its acknowledgement.
            ("grpc.keepalive_timeout_ms", _PING_LIMIT_MS),
            ("grpc.http2.ping_timeout_ms", _PING_LIMIT_MS),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", _MIN_CLIENT_PING_MS),
            ("grpc.max_metadata_size", _MAX_METADATA_BYTES),
            ("grpc.absolute_max_metadata_size", _ABSOLUTE_MAX_METADATA_BYTES),
        ],
    )
    server.add_generic_rpc_handlers((_tag_service(handlers, suggestions, calls),))
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


def _tag_service(handlers: Handlers, suggestions: Suggestions, calls: Calls) -> "grpc.GenericRpcHandler[Any, Any]":
    methods = (
        Method("GetProductTags", tags_pb2.GetProductTagsRequest, handlers.get_product_tags),
        Method(
            "BatchGetProductTags",
            tags_pb2.BatchGetProductTagsRequest,
            handlers.batch_get_product_tags,
            _ids_of_large,
        ),
        Method("SuggestTags", tags_pb2.SuggestTagsRequest, suggestions.suggest_tags),
        Method("BatchSuggestTags", tags_pb2.BatchSuggestTagsRequest, suggestions.batch_suggest_tags),
    )
    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            # Requests and replies are serialised: `Calls` parses the former, handlers build the latter.
            method.name: grpc.unary_unary_rpc_method_handler(
                calls.wrap(method), request_deserializer=None, response_serializer=None
            )
            for method in methods
        },
    )


def _ids_of_large(request: tags_pb2.BatchGetProductTagsRequest) -> int:
    """How many ids count against the limit of ids: small look-ups are never refused because of large ones."""
    count = len(request.product_ids)
    return count if count > SMALL_READ else 0

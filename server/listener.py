"""gRPC's own server for asyncio: its options, the services beside ours, and its address."""

from grpc import aio
from grpc_health.v1 import health_pb2_grpc

from hangtag.server.errors import ServerError
from hangtag.server.gate import Gate
from hangtag.server.grpc_log import drop_lines_about_callers
from hangtag.server.health import HealthServicer
from hangtag.server.reflection import reflection_handlers
from hangtag.settings import ServerSettings

# Of the transport, which answers a larger request with RESOURCE_EXHAUSTED. `look_up.MAX_REQUEST_BYTES` is what counts.
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
# Unless a setting says otherwise.
CONNECTION_AGE_S = 300
# How long calls may continue on a connection that is being closed; longer than any look-up and most deadlines.
_CONNECTION_GRACE_MS = 60_000
# Calls that gRPC keeps until the event loop takes them. Beyond it gRPC ends calls with CANCELLED, so this is far above
# what `Calls` admits: whatever is refused is refused, counted and logged there.
_MAX_PENDING_CALLS = 100_000
# How long a connection may take to say that it speaks HTTP/2.
_HANDSHAKE_LIMIT_MS = 10_000
# A client that has not read from its connection for that long is disconnected, and its unread replies are freed.
PING_EVERY_MS = 30_000
PING_LIMIT_MS = 10_000
# Clients may ping that often, also without calls; some do every 10 s.
_MIN_CLIENT_PING_MS = 5_000
# gRPC refuses some requests between the two sizes, and all above.
MAX_METADATA_BYTES = 32 * 1024
ABSOLUTE_MAX_METADATA_BYTES = 40 * 1024


def new_server(
    settings: ServerSettings, servicer: HealthServicer, gate: Gate, *, shares_port: bool = False
) -> aio.Server:
    """A server with health and reflection behind the gate, which is not bound to an address yet."""
    drop_lines_about_callers()
    idle_s = settings.idle_timeout_s
    server = aio.server(
        options=[
            # Off unless another process of this server has the port: a second server on it would silently receive
            # half of the calls.
            ("grpc.so_reuseport", int(shares_port)),
            ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
            ("grpc.max_connection_age_ms", (settings.max_connection_age_s or CONNECTION_AGE_S) * 1000),
            ("grpc.max_connection_age_grace_ms", _CONNECTION_GRACE_MS),
            ("grpc.server.max_pending_requests", _MAX_PENDING_CALLS),
            ("grpc.server.max_pending_requests_hard_limit", _MAX_PENDING_CALLS),
            ("grpc.server_handshake_timeout_ms", _HANDSHAKE_LIMIT_MS),
            ("grpc.keepalive_time_ms", PING_EVERY_MS),
            # The first limits the time without any data after a ping, the second the time to its acknowledgement.
            ("grpc.keepalive_timeout_ms", PING_LIMIT_MS),
            ("grpc.http2.ping_timeout_ms", PING_LIMIT_MS),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.min_ping_interval_without_data_ms", _MIN_CLIENT_PING_MS),
            ("grpc.max_metadata_size", MAX_METADATA_BYTES),
            ("grpc.absolute_max_metadata_size", ABSOLUTE_MAX_METADATA_BYTES),
            *([] if idle_s is None else [("grpc.max_connection_idle_ms", idle_s * 1000)]),
        ],
    )
    # The gate is the first that is asked.
    server.add_generic_rpc_handlers((gate, *(reflection_handlers() if settings.reflection else ())))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    return server


def address_of(settings: ServerSettings) -> str:
    """Host and port as gRPC writes them."""
    host = f"[{settings.host}]" if ":" in settings.host and not settings.host.startswith("[") else settings.host
    return f"{host}:{settings.port}"


def in_use(address: str) -> ServerError:
    """The error of an address that cannot be bound."""
    msg = (
        f"cannot listen on {address}: the port is in use, or this machine does not have that address; "
        "stop what uses the port, or set HANGTAG_SERVER__PORT (0: any free port) or HANGTAG_SERVER__HOST"
    )
    return ServerError(msg)

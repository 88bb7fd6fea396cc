"""What speaks gRPC: one interface for both transports, and which of them is used."""

from importlib.util import find_spec
from typing import NamedTuple, Protocol

from hangtag.server.calls import Sink
from hangtag.server.errors import ServerError
from hangtag.settings import ServerSettings

# Until it does, `auto` is grpcio.
_WHY_NOT_NATIVE = (
    "server.transport is auto, and the native transport does not limit the size of a request; set "
    "HANGTAG_SERVER__TRANSPORT=native where all clients are your own"
)

_HTTP_PACKAGES = ("connectrpc", "uvicorn", "starlette")


class Transport(Sink, Protocol):
    """A server on a port. Its methods run on the event loop, apart from `deliver`."""

    name: str
    port: int
    # None: only gRPC.
    http_port: int | None
    pace_s: float

    async def start(self) -> None:
        """Accept calls from now on."""
        ...

    @property
    def unsent(self) -> int:
        """Calls that are not answered, or whose answers are not sent, as far as the transport knows."""
        ...

    async def stop(self) -> None:
        """Close all connections; calls that still run end with UNAVAILABLE at their clients."""
        ...


class Choice(NamedTuple):
    """The name of a transport, and why it is used, for the log."""

    name: str
    reason: str


def choose(settings: ServerSettings) -> Choice:
    """The transport that the settings ask for.

    Raises:
        ServerError: they ask for `native` or HTTP where it cannot be used.
    """
    if settings.http_port is not None and any(find_spec(name) is None for name in _HTTP_PACKAGES):
        msg = (
            'server.http_port is set, but the extra `http` is not installed; install it (pip install "hangtag[http]"), '
            "or leave HANGTAG_SERVER__HTTP_PORT unset"
        )
        raise ServerError(msg)
    if settings.transport == "grpcio":
        return Choice("grpcio", "server.transport is grpcio")
    if settings.transport == "auto":
        return Choice("grpcio", _WHY_NOT_NATIVE)
    if find_spec("pygrpc_native") is None:
        why, next_step = "the extra `native` is not installed", 'install it (pip install "hangtag[native]")'
    elif settings.max_connection_age_s is not None:
        why = "server.max_connection_age_s is set, and the native transport does not close old connections"
        next_step = "leave HANGTAG_SERVER__MAX_CONNECTION_AGE_S unset"
    elif settings.idle_timeout_s is not None:
        why = "server.idle_timeout_s is set, and the native transport does not close idle connections"
        next_step = "leave HANGTAG_SERVER__IDLE_TIMEOUT_S unset"
    elif settings.tls_cert_file is not None:
        why = "server.tls_cert_file is set, and the native transport has no TLS"
        next_step = "leave HANGTAG_SERVER__TLS_CERT_FILE unset and put a proxy with TLS before the server"
    else:
        return Choice("native", "server.transport is native")
    msg = f"server.transport is native, but {why}; {next_step}, or set HANGTAG_SERVER__TRANSPORT=grpcio"
    raise ServerError(msg)

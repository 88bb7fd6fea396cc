"""What speaks gRPC: one interface for both transports, and which of them is used."""

from importlib.util import find_spec
from typing import NamedTuple, Protocol

from hangtag.server.calls import Sink
from hangtag.server.errors import ServerError
from hangtag.settings import ServerSettings


class Transport(Sink, Protocol):
    """A server on a port. Its methods run on the event loop, apart from `deliver`."""

    name: str
    port: int

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
        ServerError: they ask for `native` where it cannot be used.
    """
    if settings.transport == "grpcio":
        return Choice("grpcio", "server.transport is grpcio")
    obstacle = _obstacle(settings)
    if obstacle is None:
        return Choice("native", f"server.transport is {settings.transport}")
    why, next_step = obstacle
    if settings.transport == "native":
        msg = f"server.transport is native, but {why}; {next_step}, or set HANGTAG_SERVER__TRANSPORT=grpcio"
        raise ServerError(msg)
    return Choice("grpcio", why)


def _obstacle(settings: ServerSettings) -> tuple[str, str] | None:
    """Why the native transport cannot be used, and what to do about it; None: it can."""
    if find_spec("pygrpc_native") is None:
        return "the extra `native` is not installed", 'install it (pip install "hangtag[native]")'
    if settings.max_connection_age_s is not None:
        return (
            "server.max_connection_age_s is set, and the native transport does not close old connections",
            "leave HANGTAG_SERVER__MAX_CONNECTION_AGE_S unset",
        )
    return None

"""What the logic of a call asks its client to do. It is the same for both clients; only how they wait differs."""

from collections.abc import Callable, Generator
from typing import Any, NamedTuple, TypeVar

from hangtag.client.servers import Server
from hangtag.client.tokens import Metadata

_Result = TypeVar("_Result")


class Send(NamedTuple):
    """Send a request; the reply comes back, or gRPC's error is thrown.

    `other` names a further server for a hedge, or is None: the call is not hedged.
    """

    server: Server
    method: str
    request: Any
    timeout_s: float
    metadata: Metadata
    other: Callable[[Server], Server | None] | None


class Pause(NamedTuple):
    """Wait for so long."""

    seconds: float


class Join(NamedTuple):
    """Ask for a product together with others; its message comes back, or a `CallError` is thrown."""

    request: Any
    deadline: float
    timeout_s: float


Steps = Generator[Send | Pause | Join, Any, _Result]

"""What gRPC's own server asks first about each call, before it reads the request: whether its client may make it."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextvars import ContextVar
from typing import Any, NoReturn

import grpc
from grpc import aio
from grpc_health.v1 import health

from hangtag.server.access import ANYONE, Access, Client
from hangtag.server.errors import DETAILS_KEY, CallError
from hangtag.server.methods import path_of

Context = aio.ServicerContext[Any, Any]
Handlers = Mapping[str, "grpc.RpcMethodHandler[Any, Any]"]

_AUTHORIZATION = "authorization"
# Load balancers have no tokens.
_OPEN = f"/{health.SERVICE_NAME}/"

# The client of the call that the current task answers: gRPC finds the handler of a call in the task that runs it.
_client: ContextVar[Client] = ContextVar("client", default=ANYONE)


class Gate(grpc.GenericRpcHandler):  # type: ignore[type-arg] # it takes none at run time
    """The handlers of `TagService`, by the names of methods, and a check of all other calls but those of health.

    `on_denied` is told of the calls of `TagService` that are denied.
    """

    def __init__(
        self,
        access: Access,
        handlers: Handlers | None = None,
        on_denied: Callable[[str, CallError], None] | None = None,
    ) -> None:
        self._access = access
        self._handlers = {path_of(name): (name, handler) for name, handler in (handlers or {}).items()}
        self._on_denied = on_denied

    def service(self, handler_call_details: Any) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """The handler of a call; None leaves it to other services."""
        path = handler_call_details.method
        if path.startswith(_OPEN):
            return None
        name, handler = self._handlers.get(path, (None, None))
        authorization = authorization_of(handler_call_details.invocation_metadata)
        try:
            if name is None:
                self._access.identify(authorization)
            else:
                _client.set(self._access.client_of(authorization, name))
        except CallError as error:
            if name is not None and self._on_denied is not None:
                self._on_denied(name, error)
            return _denial(error)
        return handler


def calling_client() -> Client:
    """The client of the call that this task answers."""
    return _client.get()


def authorization_of(metadata: Iterable[tuple[str, str | bytes]]) -> str | None:
    """The first value of `authorization`."""
    for key, value in metadata:
        if key == _AUTHORIZATION:
            return str(value)
    return None


async def abort(context: Context, error: CallError) -> NoReturn:
    """End a call with an error and its details."""
    await context.abort(error.code, error.message, ((DETAILS_KEY, error.details()),))
    raise AssertionError  # `abort` raises


def _denial(error: CallError) -> "grpc.RpcMethodHandler[Any, Any]":
    # Of a stream, so that nothing of the request is read.
    async def deny(_: AsyncIterator[bytes], context: Context) -> None:
        await abort(context, error)

    return grpc.stream_unary_rpc_method_handler(deny)

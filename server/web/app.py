"""What a request passes before its call: where it goes, who sent it, how large it may be."""

import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any, NamedTuple

from hangtag.server.access import ANYONE
from hangtag.server.admission import MAX_UNREAD_BYTES, UNREAD, RefusedError
from hangtag.server.errors import CallError, Reason, place_of, stack_of
from hangtag.server.health import Health
from hangtag.server.listener import MAX_MESSAGE_BYTES
from hangtag.server.look_up import MAX_REQUEST_BYTES
from hangtag.telemetry import get_log, metrics

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]

READY = "/readyz"
# Where the service ends a refused request with its error.
REFUSED_PATH = ""
_KINDS = {b"application/json", b"application/proto", b"application/grpc-web"}
_KINDS |= {b"application/grpc-web+proto", b"application/grpc-web+json"}
_CLOSE = (b"connection", b"close")
_BAD_REQUEST = 400
_TIMEOUT = re.compile(rb"[0-9]{1,10}")

_log = get_log(__name__)


class Refused(NamedTuple):
    """A request that is not passed on: its error, a status in place of 400, and a header."""

    error: CallError
    status: int | None = None
    header: tuple[bytes, bytes] | None = None


class Arriving:
    """The request of the task that answers it. `method` is empty where the path names none."""

    __slots__ = ("client", "is_admitted", "method", "refused")

    def __init__(self, method: str, refused: CallError | None = None) -> None:
        self.method = method
        self.refused = refused
        self.client = ANYONE
        # From here on the core counts how it ends.
        self.is_admitted = False


ARRIVING: ContextVar[Arriving] = ContextVar("arriving")


class UnreadReplies:
    """Bytes of replies that are being sent; on the event loop."""

    def __init__(self) -> None:
        self.amount = 0

    def check(self) -> None:
        """Raise `RefusedError` if too much is unread."""
        if self.amount > MAX_UNREAD_BYTES:
            message = f"clients have {self.amount} bytes of replies that they did not read; retry with back-off"
            raise RefusedError(UNREAD, message)


class HttpApp:
    """An ASGI application in front of `service`.

    `methods` are the names of the calls by path. A refused request is passed on to `REFUSED_PATH`, so that errors are
    written in one place.
    """

    def __init__(
        self, service: App, methods: Mapping[str, str], health: Health, unread: UnreadReplies, max_age_s: float
    ) -> None:
        self._service = service
        self._methods = methods
        self._health = health
        self._unread = unread
        self._max_age_s = max_age_s
        self.running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI. Never raises an `Exception`."""
        self.running += 1
        try:
            await self._answer(scope, receive, send)
        except Exception as error:  # noqa: BLE001 (uvicorn would log the request, and with it what clients wrote)
            _log.error("a request failed", error=place_of(error), stack=stack_of(error))
            scope["state"]["connection"].transport.abort()
        finally:
            self.running -= 1

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        refused: Refused | None = None

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._prepare(message, scope, refused)
                await send(message)
                return
            size = len(message.get("body", b""))
            self._unread.amount += size
            try:
                await send(message)
            finally:
                self._unread.amount -= size

        if scope["path"] == READY and scope["method"] in ("GET", "HEAD"):
            await self._say_ready(sending)
            return
        refused = self._check(scope)
        if refused is not None:
            kind = _kind_of(scope)
            headers = [each for each in scope["headers"] if each[0] == b"authorization" and each[1].isascii()]
            headers.append((b"content-type", kind if kind in _KINDS else b"application/json"))
            given = {**scope, "path": REFUSED_PATH, "method": "POST", "headers": headers}
            ARRIVING.set(Arriving(self._methods.get(scope["path"], ""), refused.error))
            await self._service(given, receive, sending)
        else:
            ARRIVING.set(Arriving(self._methods[scope["path"]]))
            await self._service(scope, receive, sending)

    def _prepare(self, start: Message, scope: Scope, refused: Refused | None) -> None:
        headers = list(start.get("headers", ()))
        # Unless the service had another reason: whoever may not call learns nothing else.
        if refused is not None and start["status"] == _BAD_REQUEST:
            start["status"] = refused.status or _BAD_REQUEST
            headers += [] if refused.header is None else [refused.header]
        connection = scope["state"]["connection"]
        if self._health.is_stopping or connection.loop.time() - connection.opened_s > self._max_age_s:
            # Its client opens another one, to another server.
            headers.append(_CLOSE)
        start["headers"] = headers
        metrics.HTTP_REQUESTS.labels(self._methods.get(scope["path"], "other"), str(start["status"])).inc()

    async def _say_ready(self, send: Send) -> None:
        is_ready = self._health.is_serving
        body = b'{"status":"SERVING"}' if is_ready else b'{"status":"NOT_SERVING"}'
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200 if is_ready else 503, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _check(self, scope: Scope) -> Refused | None:
        if not all(value.isascii() for _, value in scope["headers"]):
            return Refused(_malformed("a header is not ASCII; send names and values in ASCII"))
        if scope["path"] not in self._methods:
            known = next(iter(self._methods))
            message = f"there is no such call; POST to a path such as {known}, or GET {READY}"
            return Refused(CallError(Reason.METHOD_UNKNOWN, message))
        if scope["method"] != "POST":
            return Refused(_malformed("send the request with POST"), 405, (b"allow", b"POST"))
        if _kind_of(scope) not in _KINDS:
            message = "set the header content-type: application/json (or application/proto, or a type of gRPC-Web)"
            return Refused(_malformed(message), 415, (b"accept-post", b"application/json, application/proto"))
        return _check_headers(dict(scope["headers"]))


def too_large() -> CallError:
    """The error of a request whose body is too large."""
    message = f"the request has more than {MAX_REQUEST_BYTES} bytes; split it over several calls"
    return CallError(Reason.REQUEST_TOO_LARGE, message)


def _check_headers(headers: Mapping[bytes, bytes]) -> Refused | None:
    if not _TIMEOUT.fullmatch(headers.get(b"connect-timeout-ms", b"0")):
        message = "connect-timeout-ms is no number of milliseconds; send 1 to 10 digits, such as 500"
        return Refused(_malformed(message))
    if headers.get(b"connect-protocol-version", b"1") != b"1":
        return Refused(_malformed("connect-protocol-version is not 1; send 1, or leave the header out"))
    length = headers.get(b"content-length", b"0")
    if int(length) > MAX_REQUEST_BYTES:
        # What follows is read and dropped, since a client that still sends may lose a reply before a close.
        return Refused(too_large(), header=_CLOSE if int(length) > MAX_MESSAGE_BYTES else None)
    return None


def _kind_of(scope: Scope) -> bytes:
    """The media type of the request's body."""
    for name, value in scope["headers"]:
        if name == b"content-type":
            kind: bytes = value.partition(b";")[0].strip().lower()
            return kind
    return b""


def _malformed(message: str) -> CallError:
    return CallError(Reason.MALFORMED_REQUEST, message)

"""Metrics, health and readiness over HTTP: `/metrics` for Prometheus, `/healthz` and `/readyz` for probes."""

import sys
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any, Self

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from hangtag.telemetry.health import Pulses
from hangtag.telemetry.logs import get_log
from hangtag.telemetry.places import place_of
from hangtag.telemetry.readiness import Parts

Details = Callable[[], Mapping[str, Any]]
# What a GET of a page answers, as JSON.
Page = Callable[[], Mapping[str, Any]]
# What a POST with a body does; its result is the answer. A ValueError says what is wrong with the body.
Action = Callable[[bytes], Mapping[str, Any]]

Answer = tuple[int, str, bytes]

_TEXT = "text/plain"
_MAX_BODY = 16 * 1024 * 1024
_NO_PAGES: Mapping[str, Page] = MappingProxyType({})
_NO_ACTIONS: Mapping[str, Action] = MappingProxyType({})

_log = get_log(__name__)


class TelemetryServer:
    """An HTTP server in its own thread; a context manager.

    `details` are added to the answer of /healthz under `details` and do not change its status. `parts` are the answer
    of /readyz. `pages` are what other paths answer. `actions` are what a POST to a path does, from the same machine
    only. `on_failure` is called, from the thread, with the error that ended it.
    """

    def __init__(
        self,
        host: str,
        port: int,
        registry: CollectorRegistry,
        *,
        pulses: Pulses,
        details: Details,
        parts: Parts,
        pages: Mapping[str, Page] = _NO_PAGES,
        actions: Mapping[str, Action] = _NO_ACTIONS,
        on_failure: Callable[[Exception], None],
    ) -> None:
        self._server = _Server((host, port), _handler(_Pages(registry, pulses, details, parts, pages, actions)))
        self._on_failure = on_failure
        self._thread = threading.Thread(target=self._serve, name="telemetry", daemon=True)

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return self._server.server_port

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _serve(self) -> None:
        try:
            self._server.serve_forever()
        except Exception as error:  # noqa: BLE001 (whatever it is, the process has to end)
            self._on_failure(error)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A request failed, most often because its client went away."""
        error = sys.exception()
        if error is not None:
            _log.debug("request_failed", error=place_of(error))


class _Pages:
    """What is answered: status, content type and body."""

    def __init__(
        self,
        registry: CollectorRegistry,
        pulses: Pulses,
        details: Details,
        parts: Parts,
        pages: Mapping[str, Page],
        actions: Mapping[str, Action],
    ) -> None:
        self._registry, self._pulses, self._details, self._parts = registry, pulses, details, parts
        self._pages, self._actions = pages, actions

    def get(self, path: str) -> Answer:
        if path == "/metrics":
            return 200, CONTENT_TYPE_LATEST, generate_latest(self._registry)
        if path == "/healthz":
            pulses = self._pulses()
            body: dict[str, Any] = {
                each.name: {"age_s": round(each.age_s, 3), "limit_s": each.limit_s} for each in pulses
            }
            return _json(all(each.is_healthy for each in pulses), {**body, "details": self._details()})
        if path == "/readyz":
            parts = self._parts()
            body = {part.name: {"ready": part.is_ready, "reason": part.reason} for part in parts}
            return _json(all(part.is_ready for part in parts), body)
        if (page := self._pages.get(path)) is not None:
            return _json(True, page())
        known = ", ".join(["/metrics", "/healthz", "/readyz", *self._pages])
        return 404, _TEXT, f"not found; use one of {known}\n".encode()

    def post(self, path: str, body: bytes = b"", *, is_from_here: bool) -> Answer:
        action = self._actions.get(path)
        if action is None:
            return 404, _TEXT, b"not found\n"
        if not is_from_here:
            return 403, _TEXT, b"only from the same machine\n"
        try:
            return _json(True, action(body))
        except ValueError as error:
            return 400, _TEXT, f"{error}\n".encode()


def _json(is_good: bool, body: Mapping[str, Any]) -> Answer:
    return 200 if is_good else 503, "application/json", orjson.dumps(body)


def _handler(pages: _Pages) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(*pages.get(self.path))

        def do_POST(self) -> None:
            # Whoever reaches the port may read; only who is on this machine may change something.
            client = self.client_address[0]
            is_from_here = ip_address(client).is_loopback or client == self.connection.getsockname()[0]
            size = self.headers.get("Content-Length", "0")
            if not size.isdecimal() or int(size) > _MAX_BODY:
                self.close_connection = True
                self._send(413, _TEXT, f"a body has at most {_MAX_BODY} bytes, and says how many\n".encode())
                return
            body = self.rfile.read(int(size)) if is_from_here else b""
            self._send(*pages.post(self.path, body, is_from_here=is_from_here))

        def _send(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Do not log requests."""

    return Handler

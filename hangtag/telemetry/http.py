"""Metrics and health over HTTP: `/metrics` for Prometheus, `/healthz` for probes."""

import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from hangtag.telemetry.health import Pulses

Details = Callable[[], Mapping[str, Any]]


class TelemetryServer:
    """An HTTP server in its own thread; a context manager.

    `details` are added to the answer of /healthz under `details` and do not change its status.
    """

    def __init__(
        self, host: str, port: int, registry: CollectorRegistry, pulses: Pulses, details: Details = dict
    ) -> None:
        self._server = ThreadingHTTPServer((host, port), _handler(registry, pulses, details))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="telemetry", daemon=True)

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


def _handler(registry: CollectorRegistry, pulses: Pulses, details: Details) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
            elif self.path == "/healthz":
                heartbeats = pulses()
                body: dict[str, Any] = {
                    each.name: {"age_s": round(each.age_s, 3), "limit_s": each.limit_s} for each in heartbeats
                }
                body["details"] = details()
                healthy = all(each.is_healthy for each in heartbeats)
                self._answer(200 if healthy else 503, "application/json", orjson.dumps(body))
            else:
                self._answer(404, "text/plain", b"not found; use /metrics or /healthz\n")

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Do not log requests."""

    return Handler

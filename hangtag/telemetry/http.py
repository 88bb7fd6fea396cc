"""Metrics and health over HTTP: `/metrics` for Prometheus, `/healthz` for probes."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from hangtag.telemetry.health import Pulses


class TelemetryServer:
    """An HTTP server in its own thread; a context manager."""

    def __init__(self, host: str, port: int, registry: CollectorRegistry, pulses: Pulses) -> None:
        self._server = ThreadingHTTPServer((host, port), _handler(registry, pulses))
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


def _handler(registry: CollectorRegistry, pulses: Pulses) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
            elif self.path == "/healthz":
                heartbeats = pulses()
                body = {each.name: {"age_s": round(each.age_s, 3), "limit_s": each.limit_s} for each in heartbeats}
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

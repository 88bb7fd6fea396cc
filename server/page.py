"""The server's HTTP page with metrics, health and readiness."""

from typing import Any

from prometheus_client import CollectorRegistry

from hangtag.server.errors import ServerError
from hangtag.settings import ServerSettings, SettingsError
from hangtag.telemetry import TelemetryServer
from hangtag.telemetry.page import open_page


def open_server_page(settings: ServerSettings, registry: CollectorRegistry, **served: Any) -> TelemetryServer:
    """The page of a server, or of all its processes; `served` are arguments of `TelemetryServer`.

    Raises:
        ServerError: the port is taken.
    """
    try:
        return open_page("server", settings, registry, **served)
    except SettingsError as error:
        raise ServerError(str(error)) from error

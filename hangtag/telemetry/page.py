"""The HTTP page with metrics, health and readiness."""

from typing import Any, Protocol

from prometheus_client import CollectorRegistry

from hangtag.settings import SettingsError, variable_of
from hangtag.telemetry.http import TelemetryServer


class PageSettings(Protocol):
    """Where a program's page is served."""

    @property
    def metrics_host(self) -> str:
        """Address that it listens on."""
        ...

    @property
    def metrics_port(self) -> int:
        """Port; 0: any free port."""
        ...


def open_page(group: str, settings: PageSettings, registry: CollectorRegistry, **served: Any) -> TelemetryServer:
    """The page of a program whose group of settings is `group`; `served` are arguments of `TelemetryServer`.

    Raises:
        SettingsError: the port is taken.
    """
    host, port = settings.metrics_host, settings.metrics_port
    try:
        return TelemetryServer(host, port, registry, **served)
    except OSError as error:
        name = variable_of(f"{group}.metrics_port")
        msg = f"cannot listen on {host}:{port} for metrics ({error}); set {name} (0: any free port)"
        raise SettingsError(msg) from error

"""Logs, metrics and health."""

from hangtag.telemetry import metrics
from hangtag.telemetry.health import Heartbeats, Pulse
from hangtag.telemetry.http import TelemetryServer
from hangtag.telemetry.logs import Log, configure_logs, get_log
from hangtag.telemetry.readiness import Part

__all__ = ["Heartbeats", "Log", "Part", "Pulse", "TelemetryServer", "configure_logs", "get_log", "metrics"]

"""Logs, metrics and health."""

from hangtag.telemetry import metrics
from hangtag.telemetry.health import Heartbeats, Pulse
from hangtag.telemetry.http import TelemetryServer
from hangtag.telemetry.logs import Log, configure_logs, get_log

__all__ = ["Heartbeats", "Log", "Pulse", "TelemetryServer", "configure_logs", "get_log", "metrics"]

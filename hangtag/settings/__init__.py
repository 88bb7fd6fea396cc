"""Typed settings from the environment, one TOML file and defaults, in this order of precedence."""

from hangtag.settings.client import ClientSettings
from hangtag.settings.index import IndexLinkSettings, IndexSettings
from hangtag.settings.model import (
    ArrivalsSettings,
    KafkaSettings,
    LogSettings,
    ModelSettings,
    RedisSettings,
    ServerSettings,
    Settings,
    WorkerSettings,
)
from hangtag.settings.models import ROUTE, ModelsSettings
from hangtag.settings.sources import (
    Resolved,
    SettingsError,
    load_settings,
    resolve,
    secret_file_variable_of,
    variable_of,
)

__all__ = [
    "ROUTE",
    "ArrivalsSettings",
    "ClientSettings",
    "IndexLinkSettings",
    "IndexSettings",
    "KafkaSettings",
    "LogSettings",
    "ModelSettings",
    "ModelsSettings",
    "RedisSettings",
    "Resolved",
    "ServerSettings",
    "Settings",
    "SettingsError",
    "WorkerSettings",
    "load_settings",
    "resolve",
    "secret_file_variable_of",
    "variable_of",
]

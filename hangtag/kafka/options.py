"""Options of every Kafka client of Hangtag."""

from typing import Any

from hangtag.kafka.sasl import sasl_options
from hangtag.settings import KafkaSettings, variable_of
from hangtag.settings.tls import tls_options

# kafka-python's names of the settings.
_TLS_OPTIONS = {
    "ca_file": "ssl_cafile",
    "cert_file": "ssl_certfile",
    "key_file": "ssl_keyfile",
    "key_password": "ssl_password",
}


def kafka_options(settings: KafkaSettings, client_id: str) -> dict[str, Any]:
    """Options for kafka-python: broker addresses, security and reconnects.

    Raises:
        SettingsError: the settings for TLS cannot be used.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": [address.strip() for address in settings.bootstrap.split(",")],
        "security_protocol": settings.security_protocol,
        "client_id": client_id,
        "reconnect_backoff_max_ms": 2_000,
    }
    options |= _tls_options(settings) | sasl_options(settings)
    return options


def _tls_options(settings: KafkaSettings) -> dict[str, str]:
    is_encrypted = settings.security_protocol in {"SSL", "SASL_SSL"}
    switch = f"set {variable_of('kafka.security_protocol')} to SSL or SASL_SSL"
    found = tls_options(settings, is_encrypted=is_encrypted, switch=switch)
    return {_TLS_OPTIONS[name]: value for name, value in found.items()}

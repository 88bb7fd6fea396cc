"""Options of every Kafka client of Hangtag."""

from typing import Any

from hangtag.settings import KafkaSettings


def kafka_options(settings: KafkaSettings, client_id: str) -> dict[str, Any]:
    """Options for kafka-python: broker addresses, security and reconnects."""
    options: dict[str, Any] = {
        "bootstrap_servers": [address.strip() for address in settings.bootstrap.split(",")],
        "security_protocol": settings.security_protocol,
        "client_id": client_id,
        "reconnect_backoff_max_ms": 2_000,
    }
    if settings.ca_file is not None:
        options["ssl_cafile"] = str(settings.ca_file)
    if settings.sasl_mechanism is not None:
        options["sasl_mechanism"] = settings.sasl_mechanism
        options["sasl_plain_username"] = settings.sasl_username
        password = settings.sasl_password
        options["sasl_plain_password"] = None if password is None else password.get_secret_value()
    return options

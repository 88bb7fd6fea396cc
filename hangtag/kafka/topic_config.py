"""Reading the configuration of a topic, for programs that rely on it."""

from collections.abc import Collection

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from hangtag.kafka.options import kafka_options
from hangtag.settings import KafkaSettings

_TIMEOUT_MS = 10_000


class TopicConfigError(ValueError):
    """The topic's configuration could lose what Hangtag relies on; the message has the command that corrects it."""


def open_admin(settings: KafkaSettings) -> KafkaAdminClient:
    """A client for the brokers' administration; close it.

    Raises:
        KafkaError: no broker answers.
    """
    return KafkaAdminClient(**kafka_options(settings, "hangtag"), request_timeout_ms=_TIMEOUT_MS)


def configuration(settings: KafkaSettings, topic: str, names: Collection[str]) -> dict[str, str]:
    """The values of these options of the topic; empty if the brokers leave one out.

    Raises:
        KafkaError: no broker answers, or it refuses.
    """
    resource = ConfigResource(ConfigResourceType.TOPIC, topic)
    with open_admin(settings) as admin:
        described = admin.describe_configs([resource], config_filter="all")
    [configs] = [configs for topics in described.values() for configs in topics.values()]
    found = {name: str(data["value"]) for name, data in configs.items() if name in names}
    return found if len(found) == len(names) else {}


def wrong_config(settings: KafkaSettings, topic: str, found: dict[str, str], needed: dict[str, str], why: str) -> str:
    """The message for a topic that needs other values: what is wrong, why that matters, and the command."""
    changes = ",".join(f"{name}={value}" for name, value in needed.items())
    shown = ", ".join(f"{name}={found[name]}" for name in needed)
    return (
        f"the topic {topic} has {shown}; {why}. Run: kafka-configs.sh --bootstrap-server {settings.bootstrap} --alter "
        f"--topic {topic} --add-config {changes}"
    )

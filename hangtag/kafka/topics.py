"""The topics that Hangtag needs, and the commands that create them."""

from hangtag.kafka.decision_topics import AUDIT_TOPIC_CONFIG, MODELS_TOPIC_CONFIG
from hangtag.kafka.tagged_topic import tagged_topic_config
from hangtag.settings import KafkaSettings


def missing_topic(settings: KafkaSettings, topic: str, deleted_ttl_s: int = 604_800) -> str:
    """What to say about a topic that is not there, with the command that creates it."""
    setting = {
        settings.events_topic: "kafka.events_topic",
        settings.tagged_topic: "kafka.tagged_topic",
        settings.dead_letter_topic: "kafka.dead_letter_topic",
        settings.models_topic: "kafka.models_topic",
        settings.audit_topic: "kafka.audit_topic",
        settings.texts_topic: "kafka.texts_topic",
        settings.vectors_topic: "kafka.vectors_topic",
    }[topic]
    configs = {
        settings.tagged_topic: tagged_topic_config(deleted_ttl_s),
        settings.texts_topic: tagged_topic_config(deleted_ttl_s),
        settings.vectors_topic: tagged_topic_config(deleted_ttl_s),
        settings.models_topic: MODELS_TOPIC_CONFIG,
        settings.audit_topic: AUDIT_TOPIC_CONFIG,
    }
    config = configs.get(topic, {})
    partitions = 1 if topic in (settings.models_topic, settings.audit_topic) else 6
    options = "".join(f" --config {name}={value}" for name, value in config.items())
    return (
        f"the topic {topic} ({setting}) does not exist, or this user may not describe it; name another, or run: "
        f"kafka-topics.sh --bootstrap-server {settings.bootstrap} --create --topic {topic} --partitions {partitions}"
        f"{options}"
    )

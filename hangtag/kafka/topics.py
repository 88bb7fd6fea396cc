"""The topics that Hangtag needs, and the commands that create them."""

from hangtag.kafka.tagged_topic import tagged_topic_config
from hangtag.settings import KafkaSettings


def missing_topic(settings: KafkaSettings, topic: str, deleted_ttl_s: int) -> str:
    """What to say about a topic that is not there, with the command that creates it."""
    setting = {
        settings.events_topic: "kafka.events_topic",
        settings.tagged_topic: "kafka.tagged_topic",
        settings.dead_letter_topic: "kafka.dead_letter_topic",
        settings.texts_topic: "kafka.texts_topic",
    }[topic]
    compacted = {settings.tagged_topic, settings.texts_topic}
    config = tagged_topic_config(deleted_ttl_s) if topic in compacted else {}
    options = "".join(f" --config {name}={value}" for name, value in config.items())
    return (
        f"the topic {topic} ({setting}) does not exist, or this user may not describe it; name another, or run: "
        f"kafka-topics.sh --bootstrap-server {settings.bootstrap} --create --topic {topic} --partitions 6{options}"
    )

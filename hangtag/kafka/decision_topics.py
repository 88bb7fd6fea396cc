"""The configuration of the topics that hold decisions: `hangtag.models` and `tags.audit`. Both are kept for ever."""

from kafka.errors import KafkaError

from hangtag.kafka.topic_config import TopicConfigError, configuration, open_admin, wrong_config
from hangtag.settings import KafkaSettings

# No two records have the same key, so compaction keeps all of them.
MODELS_TOPIC_CONFIG = {"cleanup.policy": "compact"}
AUDIT_TOPIC_CONFIG = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}


def check_models_topic(settings: KafkaSettings) -> bool:
    """Compare the topic of decisions about bundles with what Hangtag relies on. False: the brokers do not tell.

    Raises:
        TopicConfigError: it has several partitions, or is not compacted.
    """
    topic = settings.models_topic
    try:
        with open_admin(settings) as admin:
            [described] = admin.describe_topics([topic])
    except KafkaError:
        return False
    count = len(described.get("partitions", ()))
    if count > 1:
        msg = (
            f"the topic {topic} has {count} partitions; the order of its records is the order of releases, so it needs "
            "one. Create another with one partition, and set HANGTAG_KAFKA__MODELS_TOPIC"
        )
        raise TopicConfigError(msg)
    return _check(settings, topic, MODELS_TOPIC_CONFIG, "with another policy it forgets which bundle is in use")


def check_audit_topic(settings: KafkaSettings) -> bool:
    """Compare the topic of the audit trail with what Hangtag relies on. False: the brokers do not tell.

    Raises:
        TopicConfigError: it does not keep every record for ever.
    """
    return _check(settings, settings.audit_topic, AUDIT_TOPIC_CONFIG, "the audit trail must keep every record")


def _check(settings: KafkaSettings, topic: str, needed: dict[str, str], why: str) -> bool:
    try:
        found = configuration(settings, topic, needed.keys())
    except KafkaError:
        return False
    wrong = {name: value for name, value in needed.items() if found and found[name] != value}
    if wrong:
        raise TopicConfigError(wrong_config(settings, topic, found, wrong, why))
    return bool(found)

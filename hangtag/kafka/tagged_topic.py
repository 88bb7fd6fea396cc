"""The configuration that `products.tagged`, `products.texts` and `products.vectors` need.

For the program that creates them and for those that rely on them.
"""

from kafka.errors import KafkaError

from hangtag.kafka.topic_config import TopicConfigError, configuration, open_admin, wrong_config
from hangtag.settings import KafkaSettings

# A record that arrived behind a newer one stays visible this long for the reader of the topic's tail.
MIN_COMPACTION_LAG_MS = 86_400_000


def tagged_topic_config(deleted_ttl_s: int) -> dict[str, str]:
    """Configuration of the topic: compacted, tombstones kept as long as the store keeps deletions."""
    return {
        "cleanup.policy": "compact",
        "min.compaction.lag.ms": str(MIN_COMPACTION_LAG_MS),
        "delete.retention.ms": str(deleted_ttl_s * 1_000),
    }


def check_tagged_topic(settings: KafkaSettings, deleted_ttl_s: int) -> bool:
    """Compare the topic's configuration with what Hangtag relies on. False: the brokers do not return it.

    Raises:
        TopicConfigError: it is not compacted, compacts too early, or forgets deletions before the store does.
    """
    return _check(settings, settings.tagged_topic, deleted_ttl_s, "rebuild the store")


def unknown_topics(settings: KafkaSettings, deleted_ttl_s: int) -> list[str]:
    """Check the compacted topics of products; return those whose configuration the brokers do not return.

    Raises:
        TopicConfigError: as `check_tagged_topic`.
    """
    unknown = [] if check_tagged_topic(settings, deleted_ttl_s) else [settings.tagged_topic]
    others = filter(None, (settings.texts_topic, settings.vectors_topic))
    return unknown + [each for each in others if not _check(settings, each, deleted_ttl_s, "tag products again")]


def _check(settings: KafkaSettings, topic: str, deleted_ttl_s: int, purpose: str) -> bool:
    try:
        found = _configuration(settings, topic)
    except KafkaError:
        return False
    if not found:
        return False
    wrong = {
        name: value
        for name, value in tagged_topic_config(deleted_ttl_s).items()
        if (found[name] != value if name == "cleanup.policy" else int(found[name]) < int(value))
    }
    if wrong:
        msg = wrong_config(settings, topic, found, wrong, f"Hangtag relies on it to {purpose}")
        raise TopicConfigError(msg)
    return True


def deletions_kept_ms(settings: KafkaSettings, deleted_ttl_s: int) -> int:
    """How long a deletion blocks older versions for certain, in ms: as long as both the store and the topic keep it.

    The store alone decides if the brokers do not return the topic's configuration.
    """
    try:
        found = _configuration(settings, settings.tagged_topic)
    except KafkaError:
        found = {}
    return min(deleted_ttl_s * 1_000, int(found.get("delete.retention.ms", deleted_ttl_s * 1_000)))


def topic_id(settings: KafkaSettings, topic: str = "") -> str:
    """The id that the brokers gave a topic (`products.tagged`): another one after it was made again.

    It is the topic's name, if they do not tell.

    Raises:
        KafkaError: no broker answers.
    """
    topic = topic or settings.tagged_topic
    with open_admin(settings) as admin:
        [found] = admin.describe_topics([topic])
    return str(found.get("topic_id") or topic)


def _configuration(settings: KafkaSettings, topic: str) -> dict[str, str]:
    """The values that `tagged_topic_config` names; empty if the brokers leave one out."""
    return configuration(settings, topic, tagged_topic_config(0).keys())

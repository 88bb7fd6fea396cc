"""The topics of Hangtag."""

import time
from typing import Any

from hangtag.cli.local.errors import LocalError
from hangtag.settings import KafkaSettings

PARTITIONS = 6
_ALREADY_EXISTS = 36
# Room for our headers on top of the largest event that a broker takes by default.
_DEAD_LETTER_MAX_BYTES = 2 * 1_048_576
_ATTEMPT_MS = 5_000
_PAUSE_S = 0.2


def create_topics(
    settings: KafkaSettings, *, deleted_ttl_s: int = 604_800, replication: int = 1, deadline_s: float = 60
) -> list[str]:
    """Create the topics that do not exist yet and return their names; see `docs/contracts.md` for how each is kept.

    Tombstones are kept for `deleted_ttl_s`, as long as the store keeps deletions. Tries again while the brokers are
    starting. `replication` -1 leaves it to the brokers.

    Raises:
        LocalError: no broker answers, or one refuses, until the deadline.
    """
    from kafka.errors import KafkaError  # noqa: PLC0415

    give_up = time.monotonic() + deadline_s
    while True:
        try:
            return _create(settings, deleted_ttl_s, replication)
        except (KafkaError, OSError) as error:
            if time.monotonic() > give_up:
                msg = (
                    f"cannot create topics at {settings.bootstrap}: {type(error).__name__}: {error}; "
                    "check HANGTAG_KAFKA__BOOTSTRAP and that the brokers run"
                )
                raise LocalError(msg) from error
        time.sleep(_PAUSE_S)


def topics_of(settings: KafkaSettings) -> list[str]:
    """Their names."""
    return [
        settings.events_topic,
        settings.tagged_topic,
        *filter(None, (settings.texts_topic, settings.vectors_topic)),
        settings.dead_letter_topic,
        settings.models_topic,
        settings.audit_topic,
    ]


def _create(settings: KafkaSettings, deleted_ttl_s: int, replication: int) -> list[str]:
    from kafka import KafkaAdminClient  # noqa: PLC0415
    from kafka.errors import for_code  # noqa: PLC0415

    from hangtag.kafka.decision_topics import AUDIT_TOPIC_CONFIG, MODELS_TOPIC_CONFIG  # noqa: PLC0415
    from hangtag.kafka.options import kafka_options  # noqa: PLC0415
    from hangtag.kafka.tagged_topic import tagged_topic_config  # noqa: PLC0415

    plain: dict[str, Any] = {"num_partitions": PARTITIONS, "replication_factor": replication}
    wanted = {
        settings.events_topic: plain,
        settings.tagged_topic: {**plain, "configs": tagged_topic_config(deleted_ttl_s)},
        settings.models_topic: {**plain, "num_partitions": 1, "configs": MODELS_TOPIC_CONFIG},
        settings.audit_topic: {**plain, "num_partitions": 1, "configs": AUDIT_TOPIC_CONFIG},
        settings.dead_letter_topic: {**plain, "configs": {"max.message.bytes": str(_DEAD_LETTER_MAX_BYTES)}},
    }
    for topic in filter(None, (settings.texts_topic, settings.vectors_topic)):
        wanted[topic] = wanted[settings.tagged_topic]
    with KafkaAdminClient(**kafka_options(settings, "hangtag-cli"), request_timeout_ms=_ATTEMPT_MS) as admin:
        answer = admin.create_topics(wanted, raise_errors=False)
        created = []
        for topic in answer["topics"]:
            if not topic["error_code"]:
                created.append(topic["name"])
            elif topic["error_code"] != _ALREADY_EXISTS:
                refusal = f"{topic['name']}: {topic['error_message']}"
                raise for_code(topic["error_code"])(refusal)
        admin.wait_for_topics(list(wanted), timeout_ms=_ATTEMPT_MS)
        return created

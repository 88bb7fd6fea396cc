"""How a consumer takes part in its group: the worker's own, and that of the tail reader."""

from typing import Any

from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor

from hangtag.settings import KafkaSettings

# Members learn of a rebalance by their next heartbeat, and no partition that moves is read until all of them know.
_HEARTBEAT_INTERVAL_MS = 500


def membership(settings: KafkaSettings, group: str) -> dict[str, Any]:
    """Options of kafka-python for a member of `group`.

    The group rebalances cooperatively, and not for speed alone: with kafka-python's eager assignors a partition that is
    revoked and assigned again at once keeps its position, so records in flight would be neither tracked nor read again.
    """
    options = {
        "group_id": group,
        "partition_assignment_strategy": [CooperativeStickyAssignor],
        # Tansu also keeps a member that joins waiting for half of it.
        "session_timeout_ms": int(settings.session_timeout_s * 1_000),
        "heartbeat_interval_ms": _HEARTBEAT_INTERVAL_MS,
    }
    if settings.group_instance_id is not None:
        options["group_instance_id"] = settings.group_instance_id
    return options

"""Membership in a real consumer group, kept by a worker that polls for a few ms at a time."""

import time

import pytest
from kafka import KafkaAdminClient
from kafka.admin import NewPartitions

from hangtag.workers import kafka_source
from hangtag.workers.kafka_source import KafkaSource


# Tansu cannot add partitions to a topic.
@pytest.mark.parametrize("broker", [pytest.param("kafka", marks=pytest.mark.kafka)], indirect=True)
def test_new_partitions_of_a_topic_are_assigned_and_commits_continue(topics, monkeypatch):
    """Wherever during the following join a poll ends, and with hardly more than one join each."""
    monkeypatch.setattr(kafka_source, "_METADATA_MAX_AGE_MS", 300)
    source, ours = KafkaSource(topics), set()

    def poll_until(condition, timeout_s: float) -> None:
        give_up = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < give_up, "it did not happen"
            ours.update(change.partition for change in source.poll(timeout_s, 10).changes if change.is_assigned)

    try:
        poll_until(lambda: len(ours) == 6, 0.2)
        joins = source._consumer.group_metadata().generation_id
        for count, timeout_s in zip(range(7, 15), (0, 0.001, 0.002, 0.003, 0.004, 0.006, 0.01, 0.02), strict=True):
            with KafkaAdminClient(bootstrap_servers=topics.bootstrap) as admin:
                admin.create_partitions({topics.events_topic: NewPartitions(count)})

            poll_until(lambda count=count: len(ours) == count, timeout_s)

            poll_until(lambda: source.commit(dict.fromkeys(ours, 0), "store"), timeout_s)
        # A new partition without a leader yet may cost a second join; answers that nobody takes cost several.
        assert source._consumer.group_metadata().generation_id <= joins + 9
    finally:
        source.close()

"""What each program exports before anything has happened."""

from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from hangtag.telemetry import metrics


def exported(registry) -> str:
    return generate_latest(registry).decode()


def test_a_program_exports_no_metric_of_the_other():
    worker, server = exported(metrics.WORKER), exported(metrics.SERVER)

    assert "hangtag_store_up" not in worker
    assert "hangtag_calls" not in worker
    assert "hangtag_records" not in server
    assert "hangtag_polling_paused" not in server
    for text in (worker, server):
        assert "process_resident_memory_bytes" in text
        assert "hangtag_batch_tokens_bucket" in text
        assert "hangtag_store_emptied" in text
        assert "_created" not in text


@pytest.mark.parametrize(
    ("registry", "line"),
    [
        (metrics.WORKER, 'hangtag_records_settled_total{outcome="dead_letter"}'),
        (metrics.WORKER, 'hangtag_dead_letters_total{stage="validate"}'),
        (metrics.WORKER, 'hangtag_polling_paused{reason="store"}'),
        (metrics.WORKER, 'hangtag_retries_total{system="sink"}'),
        (metrics.WORKER, 'hangtag_stage_seconds_count{stage="write"}'),
        (metrics.SERVER, 'hangtag_lookups_total{freshness="PENDING"}'),
        (metrics.SERVER, 'hangtag_stage_seconds_count{stage="decode"}'),
    ],
)
def test_labels_have_their_values_from_the_start(registry, line):
    assert line in exported(registry)


def test_many_equal_observations_count_as_each_for_itself() -> None:
    def of(observe: Callable[[metrics.ManyHistogram, float], None]) -> list[tuple[str, dict[str, str], float]]:
        registry = CollectorRegistry()
        histogram = metrics.ManyHistogram("seconds", "Seconds", ["method"], buckets=(0.1, 1, 10), registry=registry)
        for seconds in (0.05, 0.1, 0.5, 10, 99):
            observe(histogram.labels("get"), seconds)
        return [(each.name, each.labels, each.value) for family in registry.collect() for each in family.samples]

    def one_by_one(histogram: metrics.ManyHistogram, seconds: float) -> None:
        for _ in range(3):
            histogram.observe(seconds)

    assert of(lambda histogram, seconds: histogram.observe_many(seconds, 3)) == of(one_by_one)

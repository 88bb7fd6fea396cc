"""What each program exports before anything has happened."""

import pytest
from prometheus_client import generate_latest

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

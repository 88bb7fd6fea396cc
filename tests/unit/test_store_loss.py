"""A store that lost its data is reported until it was rebuilt, also before a worker has recorded the loss."""

import pytest

from hangtag.store import LossReport, StoreError, StoreState
from hangtag.telemetry import metrics

KNOWN = StoreState("first")


@pytest.mark.parametrize(
    ("states", "is_emptied"),
    [
        ([StoreState()], False),
        ([StoreState(), KNOWN], False),
        ([KNOWN, StoreState()], True),
        ([KNOWN, StoreState("second")], True),
        ([KNOWN, StoreState("second", 17)], True),
        ([StoreState("second", 17)], True),
        ([KNOWN, KNOWN], False),
        ([KNOWN, StoreState(), KNOWN], False),
        ([KNOWN, StoreState("second"), StoreState("second", None, "second")], False),
        ([StoreState("second", 17), StoreState("second", None, "second")], False),
        ([KNOWN, StoreState("second", None, "second"), StoreState("second")], False),
        ([KNOWN, StoreState("second", None, "first")], True),
    ],
)
def test_a_loss_is_reported_from_the_first_sight_of_it_until_a_rebuild(
    states: list[StoreState], is_emptied: bool
) -> None:
    report = LossReport("cache:6379")
    for state in states:
        report.take(state)

    assert report.is_emptied is is_emptied
    for registry in (metrics.WORKER, metrics.SERVER):
        assert registry.get_sample_value("hangtag_store_emptied") == is_emptied
    assert report.detail() == {
        "address": "cache:6379",
        "emptied": is_emptied,
        **({"next": "run `hangtag rebuild`"} if is_emptied else {}),
    }


def test_the_error_of_the_last_look_is_in_the_detail() -> None:
    assert LossReport("cache:6379").detail(StoreError("it is full"))["problem"] == "it is full"

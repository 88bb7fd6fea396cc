"""The queueing model of the benchmarks."""

import random

import pytest

from benchmarks.queueing import Service, answer_s, backlog_s

SERVICE = Service(batch_s=0.004, product_s=0.008)


def simulated_s(service: Service, load: float, events: int = 20_000) -> float:
    """Mean time of an event at a worker that runs all that waits as soon as it is free."""
    moment, clock = random.Random(7), 0.0
    arrivals = []
    for _ in range(events):
        clock += moment.expovariate(load / service.product_s)
        arrivals.append(clock)
    free, waited, first = 0.0, 0.0, 0
    while first < events:
        begins = max(free, arrivals[first])
        last = first + 1
        while last < events and arrivals[last] <= begins:
            last += 1
        free = begins + service.batch_s + (last - first) * service.product_s
        waited += sum(free - arrived for arrived in arrivals[first:last])
        first = last
    return waited / events


@pytest.mark.parametrize("load", [0.1, 0.5, 0.8, 0.9])
def test_an_event_takes_at_most_as_long_as_on_paper_and_nearly_as_long_under_load(load: float) -> None:
    on_paper = answer_s(SERVICE, load / SERVICE.product_s)
    simulated = simulated_s(SERVICE, load)

    assert simulated <= on_paper * 1.05
    if load >= 0.8:
        assert simulated >= on_paper * 0.85


def test_a_worker_that_cannot_keep_up_never_answers() -> None:
    assert answer_s(SERVICE, SERVICE.most_per_s) == float("inf")
    assert backlog_s(100, per_s=10, live_per_s=10) == float("inf")
    assert backlog_s(100, per_s=10, live_per_s=5) == 20


def test_service_times_are_fitted() -> None:
    sizes = [1, 8, 64]
    found = Service.fitted(sizes, [SERVICE.batch_s + size * SERVICE.product_s for size in sizes])

    assert found.batch_s == pytest.approx(SERVICE.batch_s)
    assert found.product_s == pytest.approx(SERVICE.product_s)

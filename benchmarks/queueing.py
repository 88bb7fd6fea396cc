"""How workers behave on paper: how long a backlog takes, and how long an event waits for its tags."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Service:
    """What a worker takes for a batch of n products: `batch_s + n * product_s` seconds."""

    batch_s: float
    product_s: float

    @classmethod
    def fitted(cls, sizes: Sequence[int], seconds: Sequence[float]) -> "Service":
        """By least squares of the relative error, so that small batches count as much as large ones."""
        weights = 1 / np.array(seconds)
        columns = np.stack([np.ones(len(sizes)), np.array(sizes)], axis=1)
        (batch_s, product_s), *_ = np.linalg.lstsq(columns * weights[:, None], np.ones(len(sizes)), rcond=None)
        return cls(max(0.0, float(batch_s)), float(product_s))

    @property
    def most_per_s(self) -> float:
        """Products a second in large batches."""
        return 1 / self.product_s


def answer_s(service: Service, per_s: float) -> float:
    """Mean seconds from an event's arrival at one worker to its tags; infinite if the worker cannot keep up.

    Kafka gives each partition to one worker, so each worker is a queue of its own, and a fleet is not one M/G/c queue.
    Events arrive at random moments (Poisson). What has arrived while a batch runs is the next batch: an M/G/1 queue
    with gated service (Takagi 1986, Analysis of Polling Systems, chapter 5, for one queue), where the time of a batch
    is that between two gates. An event waits for the rest of the batch that runs, then for its own. A worker that has
    nothing to do begins at once, which the formula takes to be a batch of none, so at little load it is an upper bound.
    """
    load = per_s * service.product_s
    if load >= 1:
        return float("inf")
    # The mean time between gates is batch_s / (1 - load). An event sees a long one more often than a short one: what it
    # sees on average is their mean square over their mean.
    seen_s = service.batch_s * (1 - load) + (2 * service.batch_s + service.product_s) * load
    seen_s /= 1 - load**2
    return seen_s / 2 + service.batch_s + service.product_s * (1 + per_s * seen_s)


def backlog_s(products: int, per_s: float, live_per_s: float = 0.0) -> float:
    """Seconds until a backlog is tagged at this rate while new events arrive; infinite if they arrive faster."""
    return products / (per_s - live_per_s) if per_s > live_per_s else float("inf")

"""What a worker and a server use and how far they are behind, measured again and again."""

import time
from collections.abc import Mapping

import psutil

from benchmarks.fleet import Program, total, values
from benchmarks.lookups import Lookups
from hangtag.cli.errors import CommandError

LAG, OLDEST = "hangtag_lag_records", "hangtag_oldest_unsettled_seconds"
_TAGS = "hangtag_listing_to_tags_seconds_bucket"

Row = dict[str, float]


class Sampler:
    """Takes one row of figures at a time; quantiles and rates are those since the row before."""

    def __init__(self, worker: Program, server: Program, lookups: Lookups) -> None:
        self._worker, self._server, self._lookups = worker, server, lookups
        self._started_s = self._last_s = time.monotonic()
        self._buckets: Mapping[float, float] = {}
        self._settled = 0.0

    def row(self) -> Row:
        """The figures of this moment.

        Raises:
            CommandError: a program ended, or the worker does not answer; the message has the end of its log.
        """
        now = time.monotonic()
        samples = self._worker.surely()
        buckets = {float(sample.labels["le"]): sample.value for sample in samples if sample.name == _TAGS}
        settled = total(samples, "hangtag_records_settled_total")
        row = {
            "at_s": now - self._started_s,
            **_usage("worker", self._worker),
            **_usage("server", self._server),
            "lag_records": sum(values(samples, LAG)),
            "oldest_s": max(values(samples, OLDEST), default=0.0),
            "tags_p50_s": quantile(self._buckets, buckets, 0.5),
            "tags_p99_s": quantile(self._buckets, buckets, 0.99),
            "settled_per_s": (settled - self._settled) / max(now - self._last_s, 1e-9),
            "dead_letters": total(samples, "hangtag_dead_letters_total"),
            **self._lookups.since_last(),
        }
        self._last_s, self._buckets, self._settled = now, buckets, settled
        return row


def _usage(name: str, program: Program) -> Row:
    try:
        process = psutil.Process(program.child.pid)
        with process.oneshot():
            return {
                f"{name}_rss_mb": process.memory_info().rss / 1e6,
                f"{name}_files": float(process.num_fds()),
                f"{name}_connections": float(len(process.net_connections("all"))),
                f"{name}_threads": float(process.num_threads()),
            }
    except psutil.NoSuchProcess:
        raise CommandError(program.child.exit_report()) from None


def quantile(before: Mapping[float, float], after: Mapping[float, float], share: float) -> float:
    """A quantile of what a histogram counted between two readings, interpolated within its bucket; 0 of nothing."""
    counts = {bound: count - before.get(bound, 0.0) for bound, count in sorted(after.items())}
    wanted = share * max(counts.values(), default=0.0)
    low = below = 0.0
    for bound, count in counts.items():
        if count >= wanted > below:
            return low if bound == float("inf") else low + (bound - low) * (wanted - below) / (count - below)
        low, below = bound, count
    return 0.0

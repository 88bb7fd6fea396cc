"""Look-ups of a server beside searches."""

import time
from pathlib import Path

import numpy as np

from benchmarks.find_catalogue import product_id
from benchmarks.find_changes import entry
from benchmarks.find_index import wait_until_serving
from benchmarks.find_load import at_rate
from benchmarks.fleet import Program
from benchmarks.lookups import Lookups
from hangtag.cli.local import free_port
from hangtag.settings import Settings
from hangtag.store import RedisTagStore

# Look-ups a second: far below what a server can do, on a machine that also searches.
_LOOKUPS_PER_S = 200.0


def lookups_beside(settings: Settings, folder: Path, address: str, per_s: float, seconds: float) -> dict[str, float]:
    """The 99th percentile of look-ups of a server while the index is idle, and while it is at half load, in ms."""
    store = RedisTagStore(settings.redis)
    store.write([entry(product_id(number), 1, {"color:v1": 0.9}) for number in range(1_000)])
    store.close()
    port = free_port()
    more = {
        "server.port": str(port),
        "server.index_address": address,
        "kafka.tagged_topic": settings.kafka.tagged_topic,
    }
    server = Program("serve", f"server-{settings.kafka.tagged_topic}", settings, folder, more)
    try:
        wait_until_serving(f"127.0.0.1:{port}", server)
        rng = np.random.default_rng(3)
        with Lookups(f"127.0.0.1:{port}", lambda: product_id(int(rng.integers(1_000))), _LOOKUPS_PER_S) as lookups:
            time.sleep(seconds)
            idle = lookups.since_last()["lookup_p99_ms"]
            at_rate(address, per_s, seconds)
            beside = lookups.since_last()["lookup_p99_ms"]
        return {"lookup_p99_ms_idle": idle, "lookup_p99_ms_beside": beside}
    finally:
        server.stop()

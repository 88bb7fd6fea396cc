"""Look-ups at a fixed rate over gRPC's own client, with the service config that our documentation recommends.

A process of its own, `python -m benchmarks.server.steady PER_S PORT...`, because a process that uses gRPC cannot start
others safely. It looks up until SIGTERM, then writes how the calls ended, as JSON.
"""

import json
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import takewhile
from typing import Any

import grpc
import orjson

from benchmarks.fleet import ROOT
from benchmarks.server.requests import product_id
from hangtag.v1 import tags_pb2, tags_pb2_grpc

_TIMEOUT_S = 5.0
_PATIENCE_S = 60.0


def documented_service_config() -> str:
    """The service config in docs/contracts.md, with which a rolling restart fails no call."""
    page = (ROOT / "docs" / "contracts.md").read_text("utf-8")
    lines = page[page.index('    {"loadBalancingConfig"') :].splitlines()
    return json.dumps(json.loads("".join(takewhile(lambda line: line.startswith("    "), lines))))


class SteadyLookups:
    """Starts `per_s` look-ups a second until `stop` is set, whatever the answers take."""

    def __init__(self, ports: Sequence[int], per_s: float, stop: threading.Event) -> None:
        target = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
        options = [
            ("grpc.service_config", documented_service_config()),
            ("grpc.max_reconnect_backoff_ms", 500),
            ("grpc.default_authority", "hangtag"),
        ]
        self._channel = grpc.insecure_channel(target, options=options)
        self._per_s, self._stop = per_s, stop
        self._ended = threading.Condition()
        self._started = 0
        self._codes: Counter[str] = Counter()
        self._took_ms: list[float] = []

    def run(self) -> dict[str, Any]:
        """How all calls ended; one without an answer counts as failed."""
        grpc.channel_ready_future(self._channel).result(_PATIENCE_S)
        self._look_up()
        with self._ended:
            self._ended.wait_for(lambda: self._codes.total() == self._started, 2 * _TIMEOUT_S)
            took = sorted(self._took_ms) or [0.0]
            return {
                "calls": self._started,
                "failed": self._started - self._codes["OK"],
                "statuses": dict(self._codes),
                "p50_ms": took[len(took) // 2],
                "p99_ms": took[int(len(took) * 0.99)],
                "worst_ms": took[-1],
            }

    def _look_up(self) -> None:
        look_up = tags_pb2_grpc.TagServiceStub(self._channel).GetProductTags
        began_s = time.monotonic()
        due_s = began_s
        while not self._stop.wait(max(0.0, due_s - time.monotonic())):
            request = tags_pb2.GetProductTagsRequest(product_id=product_id(self._started))
            self._started += 1
            call = look_up.future(request, timeout=_TIMEOUT_S)
            call.add_done_callback(partial(self._count, due_s))
            due_s = began_s + self._started / self._per_s

    def _count(self, due_s: float, call: Any) -> None:
        with self._ended:
            self._codes[call.code().name] += 1
            self._took_ms.append((time.monotonic() - due_s) * 1_000)
            self._ended.notify_all()


def main() -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    per_s, *ports = map(int, sys.argv[1:])
    sys.stdout.write(orjson.dumps(SteadyLookups(ports, per_s, stop).run()).decode())


if __name__ == "__main__":
    main()

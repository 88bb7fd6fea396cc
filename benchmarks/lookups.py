"""A light load of look-ups, at a steady rate."""

import threading
import time
from collections.abc import Callable
from typing import Self

import grpc

from hangtag.v1 import tags_pb2, tags_pb2_grpc

_TIMEOUT_S = 5.0


class Lookups:
    """A thread that looks up `product_id()` at `per_s` calls per second, one after the other, until the block ends."""

    def __init__(self, address: str, product_id: Callable[[], str], per_s: float) -> None:
        self._address, self._product_id, self._per_s = address, product_id, per_s
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._took_ms: list[float] = []
        self._failed = 0
        self._thread = threading.Thread(target=self._run, name="lookups", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def since_last(self) -> dict[str, float]:
        """The 99th percentile since the last call, and how many look-ups have failed in all."""
        with self._lock:
            took, self._took_ms = sorted(self._took_ms), []
        p99 = took[int(len(took) * 0.99)] if took else 0.0
        return {"lookup_p99_ms": p99, "failed_lookups": float(self._failed)}

    def _run(self) -> None:
        with grpc.insecure_channel(self._address) as channel:
            stub = tags_pb2_grpc.TagServiceStub(channel)
            started = time.monotonic()
            calls = 0
            while not self._stop.wait(max(0.0, started + calls / self._per_s - time.monotonic())):
                calls += 1
                began = time.monotonic()
                try:
                    stub.GetProductTags(
                        tags_pb2.GetProductTagsRequest(product_id=self._product_id()), timeout=_TIMEOUT_S
                    )
                except grpc.RpcError as error:
                    if error.code() is not grpc.StatusCode.NOT_FOUND:  # not tagged yet
                        self._failed += 1
                with self._lock:
                    self._took_ms.append((time.monotonic() - began) * 1_000)

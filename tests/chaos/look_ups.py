"""Looks products up all the time: no reader may see a product's version go backwards."""

import random
import threading
import time
from collections.abc import Mapping, Sequence

from hangtag.v1 import tags_pb2
from tests.chaos.diary import Diary

_PER_CALL = 100
_PAUSE_S = 0.1
_DEADLINE_S = 5.0
# For this process alone: gRPC's handlers of a fork would end the programs that are started while it works. It reads the
# variable when it is imported, so that happens only once the look-ups start.
NO_FORK_HANDLERS = "GRPC_ENABLE_FORK_SUPPORT"


class LookUps:
    """A thread that asks the server for random products, and remembers the newest version it was told of each.

    After a loss in the store, until its rebuild has ended, answers are not compared and nothing before is remembered.
    `deletions` has the highest deleted version of each product that is ever deleted: only such a product may vanish.
    """

    def __init__(self, port: int, products: Sequence[str], deletions: Mapping[str, int], diary: Diary) -> None:
        self.answers = 0
        self.refused = 0
        self.backwards: list[str] = []
        self._address = f"127.0.0.1:{port}"
        self._products, self._deletions, self._diary = products, deletions, diary
        self._newest: dict[str, int] = {}
        self._rng = random.Random(0)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="look-ups", daemon=True)

    @property
    def has_found_tags(self) -> bool:
        """True once an answer had tags: every program works."""
        return self.answers > 0 and any(self._newest.values())

    def start(self) -> None:
        """Start asking."""
        self._thread.start()

    def close(self) -> None:
        """Stop asking."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(2 * _DEADLINE_S)

    def compare(self, products: Sequence[tags_pb2.GetProductTagsResponse]) -> None:
        """Compare an answer with the ones before."""
        self.answers += len(products)
        for product in products:
            product_id, version = product.product_id, product.version
            newest = self._newest.get(product_id, 0)
            if version >= newest:
                self._newest[product_id] = version
            elif version or newest > self._deletions.get(product_id, -1):
                self.backwards.append(f"{product_id}: version {version} after {newest} at {self._diary.now_s:.1f} s")

    def _run(self) -> None:
        import grpc

        from hangtag.v1 import tags_pb2_grpc

        with grpc.insecure_channel(self._address, [("grpc.max_reconnect_backoff_ms", 500)]) as channel:
            stub = tags_pb2_grpc.TagServiceStub(channel)
            while not self._stop.wait(_PAUSE_S):
                ids = self._rng.sample(self._products, min(_PER_CALL, len(self._products)))
                began = time.monotonic()
                try:
                    request = tags_pb2.BatchGetProductTagsRequest(product_ids=ids)
                    answer = stub.BatchGetProductTags(request, timeout=_DEADLINE_S)
                except grpc.RpcError:
                    self.refused += 1
                    continue
                if self._diary.may_have_lost(began, time.monotonic()):
                    self._newest.clear()
                    continue
                self.compare(answer.products)

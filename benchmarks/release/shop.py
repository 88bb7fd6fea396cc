"""A shop that changes its products all the time, and how long that takes to be seen."""

import random
import threading
import time
from collections.abc import Callable

import grpc

from benchmarks.release.bundles import Catalogue
from hangtag.kafka.options import kafka_options
from hangtag.kafka.producer import Producer
from hangtag.settings import KafkaSettings
from hangtag.v1 import events_pb2, tags_pb2, tags_pb2_grpc

_PROTOBUF = [("content-type", b"application/x-protobuf")]
_LOOK_EVERY_S = 0.02
_MOST_LOOKED_AT = 500


class Shop:
    """Sends events: all products once, and then changes of some of them at a steady rate.

    `phase` is what the times from an event to its tags are counted under: that of the event.
    """

    def __init__(self, kafka: KafkaSettings, address: str, catalogue: Catalogue, products: int) -> None:
        self.phase = "start"
        self.sent = 0
        self._catalogue, self._products = catalogue, products
        self._producer = Producer(**kafka_options(kafka, "bench"), linger_ms=5)
        self._topic = kafka.events_topic
        self._versions = [0] * products
        self._waiting: dict[str, tuple[int, float, str]] = {}
        self._took_ms: dict[str, list[float]] = {}
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._is_closed = threading.Event()
        self._looking = threading.Thread(target=self._look, args=(address,), daemon=True)
        self._trading: threading.Thread | None = None

    def fill(self) -> None:
        """Send every product once; no time is taken."""
        for number in range(self._products):
            self._send(number)
        self._producer.flush()

    def trade(self, per_s: float) -> None:
        """From now on change so many products in a second."""
        self._trading = threading.Thread(target=self._trade, args=(per_s,), daemon=True)
        self._trading.start()
        self._looking.start()

    def end(self, check: Callable[[], None], patience_s: float = 60) -> int:
        """Stop changing products, and wait until all changes are seen; returns how many never were."""
        self._is_over.set()
        assert self._trading is not None
        self._trading.join()
        give_up = time.monotonic() + patience_s
        while self._waiting and time.monotonic() < give_up:
            check()
            time.sleep(0.05)
        self._is_closed.set()
        self._looking.join()
        self._producer.close()
        return len(self._waiting)

    def p_ms(self, phase: str, share: float) -> float:
        """So many milliseconds or fewer took this share of the changes of a phase."""
        ordered = sorted(self._took_ms.get(phase, [0.0]))
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

    def _send(self, number: int) -> None:
        self._versions[number] += 1
        event = events_pb2.ProductEvent()
        event.CopyFrom(self._catalogue.texts[self._catalogue.text_number(number, self._versions[number])])
        event.product.product_id, event.product.version = f"bench-{number}", self._versions[number]
        self._producer.send(self._topic, event.SerializeToString(), event.product.product_id.encode(), _PROTOBUF)
        self.sent += 1

    def _trade(self, per_s: float) -> None:
        choice = random.Random(11)
        while not self._is_over.is_set():
            time.sleep(choice.expovariate(per_s))
            number = choice.randrange(max(1, self._products // 4))  # the others wait for the re-tag
            with self._lock:
                if f"bench-{number}" in self._waiting:
                    continue
                self._send(number)
                self._waiting[f"bench-{number}"] = self._versions[number], time.monotonic(), self.phase

    def _look(self, address: str) -> None:
        with grpc.insecure_channel(address) as channel:
            stub = tags_pb2_grpc.TagServiceStub(channel)
            while not self._is_closed.wait(_LOOK_EVERY_S):
                with self._lock:
                    ids = list(self._waiting)[:_MOST_LOOKED_AT]
                if not ids:
                    continue
                try:
                    found = stub.BatchGetProductTags(tags_pb2.BatchGetProductTagsRequest(product_ids=ids), timeout=15)
                except grpc.RpcError:
                    continue  # whoever calls counts those
                now = time.monotonic()
                with self._lock:
                    for product in found.products:
                        version, at, phase = self._waiting[product.product_id]
                        if product.version >= version:
                            self._took_ms.setdefault(phase, []).append((now - at) * 1_000)
                            del self._waiting[product.product_id]

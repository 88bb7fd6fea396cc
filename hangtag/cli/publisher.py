"""Publishing product events to Kafka."""

import threading
from typing import Any, Self

import orjson

from hangtag.cli.errors import CommandError
from hangtag.cli.topic import connecting, reason_of
from hangtag.kafka.options import kafka_options
from hangtag.settings import KafkaSettings
from hangtag.v1 import events_pb2

_TYPES = {False: b"application/json", True: b"application/x-protobuf"}


class Publisher:
    """Sends events keyed by product id and counts acknowledgements; a context manager.

    Only one thread may send; any thread may read the counts.

    Raises:
        CommandError: no broker answers.
    """

    def __init__(self, settings: KafkaSettings, *, protobuf: bool = False) -> None:
        from kafka.errors import KafkaError, MessageSizeTooLargeError  # noqa: PLC0415

        from hangtag.kafka.producer import Producer  # noqa: PLC0415

        self._settings = settings
        self._protobuf = protobuf
        self._kafka_error: type[Exception] = KafkaError
        self._too_large: type[Exception] = MessageSizeTooLargeError
        self._lock = threading.Lock()
        self._acknowledged = 0
        self._refused: list[str] = []
        with connecting(settings):
            self._producer = Producer(
                **kafka_options(settings, "hangtag-cli"),
                linger_ms=20,
                batch_size=131_072,
                max_block_ms=10_000,
                request_timeout_ms=10_000,
                delivery_timeout_ms=30_000,
                bootstrap_timeout_ms=5_000,
                allow_auto_create_topics=False,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # After an error or Ctrl-C do not wait for events that are still in the buffer.
        self._producer.abandon()

    @property
    def acknowledged(self) -> int:
        """Number of events that the brokers acknowledged."""
        return self._acknowledged

    @property
    def refused(self) -> list[str]:
        """The refused events, each as `product id: reason`."""
        with self._lock:
            return list(self._refused)

    def send(self, event: events_pb2.ProductEvent) -> None:
        """Send one event; blocks while the buffer is full. An event that is too large counts as refused.

        Raises:
            CommandError: the brokers do not answer any more, or the topic does not exist.
        """
        product_id = event.product.product_id
        value = event.SerializeToString() if self._protobuf else orjson.dumps(_as_json(event))
        try:
            future = self._producer.send(
                self._settings.events_topic,
                key=product_id.encode(),
                value=value,
                headers=[("content-type", _TYPES[self._protobuf])],
            )
        except self._too_large as error:
            self._refuse(product_id, error)
            return
        except self._kafka_error as error:
            raise CommandError(self._failure(error)) from error
        future.add_callback(self._count)
        future.add_errback(self._refuse, product_id)

    def finish(self) -> None:
        """Wait until every event is acknowledged or refused; errors as in `send`."""
        try:
            self._producer.flush(timeout=60)
        except self._kafka_error as error:
            raise CommandError(self._failure(error)) from error

    def _count(self, _: Any) -> None:
        with self._lock:
            self._acknowledged += 1

    def _refuse(self, product_id: str, error: Exception) -> None:
        with self._lock:
            self._refused.append(f"{product_id}: {reason_of(error)}")

    def _failure(self, error: Exception) -> str:
        return (
            f"cannot publish to {self._settings.events_topic} at {self._settings.bootstrap} "
            f"({reason_of(error)}); {self.acknowledged} events were acknowledged. `hangtag up` creates "
            "missing topics. It is safe to publish the same events again"
        )


def _as_json(event: events_pb2.ProductEvent) -> dict[str, Any]:
    # Ten times as fast as json_format, which matters for a long feed.
    product = event.product
    names = ("product_id", "version", "title", "description", "merchant_category", "language", "shop_id", "url")
    value: dict[str, Any] = {
        "type": events_pb2.EventType.Name(event.type),
        "product": {name: getattr(product, name) for name in names if getattr(product, name)},
    }
    value["product"] |= _shop_fields(product)
    if event.event_id:
        value["event_id"] = event.event_id
    if event.HasField("time"):
        value["time"] = event.time.ToJsonString()
    return value


def _shop_fields(product: events_pb2.Product) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if product.image_urls:
        found["image_urls"] = list(product.image_urls)
    if product.HasField("price"):
        found["price"] = {"currency": product.price.currency, "amount": product.price.amount}
    if product.attributes:
        found["attributes"] = dict(product.attributes)
    return found

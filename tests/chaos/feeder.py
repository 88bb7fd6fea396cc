"""Sends a load at an even pace, each batch with its codec and in its transaction."""

import threading
import time
from collections.abc import Sequence

from kafka.errors import KafkaError

from hangtag.kafka.producer import Producer
from tests.chaos.load import Batch, Load, Planned

# The number of a record in the load, so that whoever reads it anywhere knows which one it is.
NUMBER = "chaos.number"

# After a broker was killed, kafka-python's producer may never send some batches: they are sent again by another one.
_PATIENCE_MS = 8_000
_REQUEST_MS = 5_000
_OPENING_MS = 30_000
_TRY_AGAIN_AFTER_S = 1.0
_LARGEST = 4 * 1_048_576
_LOOK_EVERY_S = 0.05


class Feeder:
    """A thread that sends as much of the load as it is allowed to.

    `sent` counts records that brokers acknowledged, aborted ones included.

    A batch that fails is sent again, so a record may be in the topic twice. `error` is what ended the thread too early.
    """

    def __init__(self, load: Load, bootstrap: str, topic: str, records_per_s: float) -> None:
        self.acknowledged: set[int] = set()
        self.sent = 0
        self.sent_again = 0
        self.error: Exception | None = None
        self._load = load
        self._options = {"bootstrap_servers": bootstrap.split(","), "max_request_size": _LARGEST}
        self._topic = topic
        self._pace = 1 / records_per_s
        self._producers: dict[tuple[str | None, bool], Producer] = {}
        self._allowed = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feeder", daemon=True)

    @property
    def is_done(self) -> bool:
        """True once everything is sent and acknowledged, or the thread failed."""
        return not self._thread.is_alive()

    def start(self) -> None:
        """Start sending."""
        self._thread.start()

    def allow(self, share: float) -> None:
        """Send until this share of the load is sent; 1 is all of it."""
        self._allowed = round(share * len(self._load.records))

    def close(self) -> None:
        """Stop sending and close the producers."""
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        try:
            due = time.monotonic()
            for batch in self._load.batches:
                while batch.numbers.start >= self._allowed:
                    if self._stop.wait(_LOOK_EVERY_S):
                        return
                    due = time.monotonic()
                if self._stop.wait(max(0.0, due - time.monotonic())):
                    return
                self._send_until_taken(batch)
                due += len(batch.numbers) * self._pace
        except Exception as error:  # noqa: BLE001 (the run reports it)
            self.error = error
        finally:
            for key in list(self._producers):
                self._abandon(key)

    def _send_until_taken(self, batch: Batch) -> None:
        while not self._send(batch) and not self._stop.wait(_TRY_AGAIN_AFTER_S):
            self.sent_again += len(batch.numbers)

    def _send(self, batch: Batch) -> bool:
        """Send a batch; False: some of it may be in the topic, and it is to be sent again."""
        in_transaction = batch.is_committed is not None
        key = batch.codec, in_transaction
        try:
            producer = self._producer(*key)
            if in_transaction:
                producer.begin_transaction()
            futures = [self._send_one(producer, number) for number in batch.numbers]
            for future in futures:
                future.get(timeout=_PATIENCE_MS / 1_000)
            if in_transaction:
                (producer.commit_transaction if batch.is_committed else producer.abort_transaction)()
        except KafkaError:
            self._abandon(key)
            return False
        self.sent += len(batch.numbers)
        if batch.is_committed is not False:
            self.acknowledged.update(batch.numbers)
        return True

    def _send_one(self, producer: Producer, number: int):
        record: Planned = self._load.records[number]
        headers = [("content-type", record.content_type), (NUMBER, str(number).encode())]
        return producer.send(self._topic, key=record.key, value=record.value, headers=headers)

    def _producer(self, codec: str | None, in_transaction: bool) -> Producer:
        key = codec, in_transaction
        if key not in self._producers:
            more = {"transactional_id": f"chaos-{codec}", "transaction_timeout_ms": 60_000} if in_transaction else {}
            producer = Producer(
                **self._options,
                **more,
                compression_type=codec,
                acks="all",
                linger_ms=10,
                delivery_timeout_ms=_PATIENCE_MS,
                request_timeout_ms=_REQUEST_MS,
                max_block_ms=_OPENING_MS,
                reconnect_backoff_max_ms=1_000,
                metrics_enabled=False,
                allow_auto_create_topics=False,
            )
            self._producers[key] = producer
            if in_transaction:
                producer.init_transactions()
        return self._producers[key]

    def _abandon(self, key: tuple[str | None, bool]) -> None:
        producer = self._producers.pop(key, None)
        if producer is not None:
            producer.abandon()


def number_of(headers: Sequence[tuple[str, bytes | None]]) -> int | None:
    """The number of the record with these headers; None if it has none."""
    return next((int(value) for name, value in headers if name == NUMBER and value), None)

"""kafka-python's producer, extended by closing without waiting and by headers without a value."""

from collections.abc import Sequence
from typing import Any

from kafka import KafkaProducer

from hangtag.kafka.internals import stop_sending
from hangtag.kafka.null_headers import NO_VALUE

_JOIN_TIMEOUT_S = 5


class Producer(KafkaProducer):  # type: ignore[misc] # kafka-python carries no types
    """A producer that can be closed while no broker is available."""

    def send(
        self,
        topic: str,
        value: bytes | None = None,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes | None]] | None = None,
        **others: Any,
    ) -> Any:
        """See `KafkaProducer.send`. The value of a header may be None."""
        known = [(name, NO_VALUE if text is None else text) for name, text in headers or ()]
        return super().send(topic, value=value, key=key, headers=known, **others)

    def abandon(self) -> None:
        """Close at once; records that are not acknowledged fail, including those being sent.

        `KafkaProducer.close` waits for such records, raises on a timeout, and leaves the sender thread running, which
        delivers the records when the brokers are back.
        """
        stop_sending(self, _JOIN_TIMEOUT_S)
        self.close(timeout=0)

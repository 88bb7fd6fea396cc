"""kafka-python's producer, extended by closing without waiting."""

from kafka import KafkaProducer

from hangtag.kafka.internals import stop_sending

_JOIN_TIMEOUT_S = 5


class Producer(KafkaProducer):  # type: ignore[misc] # kafka-python carries no types
    """A producer that can be closed while no broker is available."""

    def abandon(self) -> None:
        """Close at once; records that are not acknowledged fail, including those being sent.

        `KafkaProducer.close` waits for such records, raises on a timeout, and leaves the sender thread running, which
        delivers the records when the brokers are back.
        """
        stop_sending(self, _JOIN_TIMEOUT_S)
        self.close(timeout=0)

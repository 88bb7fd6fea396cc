"""kafka-python's producer, for one that may give up."""

from kafka import KafkaProducer

_JOIN_TIMEOUT_S = 5


class Producer(KafkaProducer):  # type: ignore[misc] # kafka-python carries no types
    """A producer that can be closed while the brokers are away."""

    def abandon(self) -> None:
        """Close and send nothing more: what is not acknowledged fails, also what is under way.

        `KafkaProducer.close` waits for such records first, raises when its time is over, and leaves the sender thread
        behind, which delivers them whenever the brokers come back.
        """
        if self._sender is not None and self._sender.is_alive():
            self._sender.force_close()
            self._sender.join(_JOIN_TIMEOUT_S)
        self.close(timeout=0)

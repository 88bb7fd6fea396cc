"""Produces single records and waits until they are acknowledged."""

from collections.abc import Sequence

from kafka.errors import KafkaError

from hangtag.kafka.options import kafka_options
from hangtag.kafka.producer import Producer
from hangtag.kafka.trouble import KafkaSettingsError, check_settings, watching
from hangtag.settings import KafkaSettings

_OPEN_TIMEOUT_MS = 10_000
_DELIVER_WITHIN_S = 30


class NotSentError(Exception):
    """A record was not acknowledged; the message says why. It may have been written all the same."""


def send_record(
    settings: KafkaSettings, topic: str, key: bytes, value: bytes, headers: Sequence[tuple[str, bytes]]
) -> int:
    """Produce one record, once, and return its offset. Afterwards nothing is in flight, whatever happened.

    Raises:
        NotSentError: the brokers did not acknowledge it.
    """
    with watching(settings) as trouble:
        try:
            check_settings(settings)
            producer = Producer(
                **kafka_options(settings, "hangtag"),
                metrics_enabled=False,
                acks="all",
                enable_idempotence=True,
                max_block_ms=_OPEN_TIMEOUT_MS,
                bootstrap_timeout_ms=_OPEN_TIMEOUT_MS,
                allow_auto_create_topics=False,
            )
        except KafkaSettingsError as error:
            raise NotSentError(str(error)) from error
        except KafkaError as error:
            raise NotSentError(trouble.explain(error)) from error
        try:
            sent = producer.send(topic, value=value, key=key, headers=list(headers))
            return int(sent.get(timeout=_DELIVER_WITHIN_S).offset)
        except KafkaError as error:
            msg = f"{topic}: {trouble.explain(error)}"
            raise NotSentError(msg) from error
        finally:
            producer.abandon()

"""The topic `tags.audit`."""

from hangtag.audit.errors import AuditError
from hangtag.audit.record import HEADERS, AuditRecord
from hangtag.kafka.decision_topics import check_audit_topic
from hangtag.kafka.sending import NotSentError, send_record
from hangtag.kafka.topic_config import TopicConfigError
from hangtag.kafka.whole_topic import TopicReadError, read_topic, value_of
from hangtag.settings import KafkaSettings


class AuditLog:
    """Appends to the audit trail, and reads it."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings

    def check(self) -> None:
        """Compare the topic with what Hangtag relies on, where the brokers tell.

        Raises:
            AuditError: it does not keep every record for ever.
        """
        try:
            check_audit_topic(self._settings)
        except TopicConfigError as error:
            raise AuditError(str(error)) from error

    def append(self, record: AuditRecord) -> None:
        """Write a record, and return once the brokers have acknowledged it.

        Raises:
            AuditError: they have not.
        """
        topic = self._settings.audit_topic
        try:
            send_record(self._settings, topic, record.subject.encode(), record.to_bytes(), HEADERS)
        except NotSentError as error:
            msg = f"the decision cannot be recorded: {error}"
            raise AuditError(msg) from error

    def read(self) -> list[AuditRecord]:
        """Every record, those of one subject in their order; what is no record of the audit trail is left out.

        Raises:
            AuditError: the topic cannot be read, or has a record of a newer release.
        """
        try:
            found = read_topic(self._settings, self._settings.audit_topic)
        except TopicReadError as error:
            msg = f"the audit trail cannot be read: {error}"
            raise AuditError(msg) from error
        return [AuditRecord.of(value) for value in map(value_of, found) if value is not None]

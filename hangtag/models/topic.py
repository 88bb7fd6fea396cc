"""The topic `hangtag.models`: the truth about which bundle is in use."""

from hangtag.kafka.decision_topics import check_models_topic
from hangtag.kafka.sending import NotSentError, send_record
from hangtag.kafka.topic_config import TopicConfigError
from hangtag.kafka.whole_topic import TopicReadError, read_topic, value_of
from hangtag.models.decision import HEADERS, Decision
from hangtag.models.errors import LostRaceError, ModelsTopicError
from hangtag.models.history import History
from hangtag.models.pointer import Pointer
from hangtag.settings import KafkaSettings


class ModelsTopic:
    """Reads all decisions, and appends one. It has no connection between calls."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings

    def check(self) -> None:
        """Compare the topic with what Hangtag relies on, where the brokers tell.

        Raises:
            ModelsTopicError: it has several partitions, or another policy than compaction.
        """
        try:
            check_models_topic(self._settings)
        except TopicConfigError as error:
            raise ModelsTopicError(str(error)) from error

    def read(self) -> History:
        """Everything that was decided before the call.

        Raises:
            ModelsTopicError: the topic cannot be read, or has a decision of a newer release.
        """
        return self._read(0)

    def append(self, decision: Decision) -> Pointer:
        """Write a decision; returns the pointer that it made.

        Raises:
            LostRaceError: somebody else decided first, so it is void.
            ModelsTopicError: the brokers did not acknowledge; the message says whether it may take effect.
        """
        current = self.read().current(decision.route)
        if decision.expects != (current.sequence if current else 0):
            raise _lost(decision, current)
        try:
            offset = send_record(
                self._settings, self._settings.models_topic, decision.key, decision.to_bytes(), HEADERS
            )
        except NotSentError as error:
            offset = -1
            problem: NotSentError | None = error
        else:
            problem = None
        # Whether it counts, and without an acknowledgement whether it is there, the topic says.
        try:
            history = self._read(offset + 1)
        except ModelsTopicError as error:
            msg = f"it is not known whether the decision takes effect: `hangtag model list` tells. {problem or error}"
            raise ModelsTopicError(msg) from error
        entry = history.of(decision.decision_id)
        if entry is None:
            msg = f"the decision was not written: {problem}"
            raise ModelsTopicError(msg) from problem
        if entry.pointer is None:
            raise _lost(decision, history.current(decision.route))
        return entry.pointer

    def _read(self, behind: int) -> History:
        topic = self._settings.models_topic
        try:
            records = read_topic(self._settings, topic, behind)
        except TopicReadError as error:
            msg = f"the decisions about bundles cannot be read: {error}"
            raise ModelsTopicError(msg) from error
        if any(record.partition for record in records):
            msg = f"the topic {topic} has several partitions; it needs one, or its records have no order"
            raise ModelsTopicError(msg)
        return History((record.offset, Decision.of(value_of(record))) for record in records)


def _lost(decision: Decision, current: Pointer | None) -> LostRaceError:
    now = "nothing is" if current is None else f"bundle {current.bundle_version[:12]} (sequence {current.sequence}) is"
    msg = (
        f"somebody else decided first: {now} in use on the route {decision.route}, and this decision was made on "
        f"sequence {decision.expects}; look at it with `hangtag model list`, and decide again"
    )
    return LostRaceError(msg, current)

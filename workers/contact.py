"""How long the brokers have not answered."""

from hangtag.telemetry import get_log, metrics

# An idle member of a group hears from its brokers every few seconds.
OUTAGE_S = 15.0
# Name of the heartbeat that shows when they last answered.
KAFKA_BEAT = "kafka"

_log = get_log(__name__)


class BrokerContact:
    """Logs one line when the brokers fall silent and one when they answer again, and keeps the metric."""

    def __init__(self) -> None:
        self._is_away = False
        self._longest_s = 0.0

    def saw(self, age_s: float) -> None:
        """The brokers' last answer is so many seconds old."""
        metrics.KAFKA_ANSWER_AGE_SECONDS.set(age_s)
        if age_s > OUTAGE_S:
            if not self._is_away:
                next_step = "check the brokers and kafka.bootstrap; reading goes on when they answer"
                _log.error("kafka_silent", for_s=round(age_s), next=next_step)
            self._is_away = True
            self._longest_s = age_s
        elif self._is_away:
            _log.info("kafka_answers", silent_for_s=round(self._longest_s))
            self._is_away = False

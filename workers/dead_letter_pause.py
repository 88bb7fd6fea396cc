"""Pauses reading while most records would go to the dead letters, and tells about it."""

from collections.abc import Sequence

from hangtag.telemetry import get_log, metrics
from hangtag.workers.breaker import TRY_EVERY_S, TRY_RECORDS, WINDOW_S, Breaker
from hangtag.workers.write import DEAD_LETTER, Settled

_NEXT = (
    f"look at `hangtag deadletters`; {TRY_RECORDS} records are tried every {TRY_EVERY_S:.0f} s, and reading goes on "
    "once most of them are good; `hangtag resume` on this worker's machine reads on at once"
)

_log = get_log(__name__)


class DeadLetterPause:
    """A worker's breaker, with its log and its metric. One thread owns it; any thread may call `resume`."""

    def __init__(self) -> None:
        self._breaker = Breaker()
        self._is_resume_asked = False
        self._show()

    def resume(self) -> bool:
        """Read on, whatever becomes of the records, because a person says so. False: reading is not paused by this."""
        self._is_resume_asked = self._breaker.is_open
        return self._is_resume_asked

    def room(self, now_s: float, unsettled: int) -> int | None:
        """How many records may be read now; None: any number. `unsettled` are those that were read before."""
        if self._is_resume_asked:
            self._is_resume_asked = False
            self._breaker.overrule(now_s)
            _log.warning("reading_on", reason="hangtag resume")
        was_open, (tried, dead) = self._breaker.is_open, self._breaker.counts
        room = self._breaker.room(now_s, unsettled)
        if was_open and not self._breaker.is_open:
            _log.info(
                "reading_on", reason="most are good" if tried else "nothing to read", tried=tried, dead_letters=dead
            )
        self._show()
        return room

    def read(self, count: int, now_s: float) -> None:
        """So many records were read while no other reason paused reading."""
        self._breaker.read(count, now_s)

    def settled(self, settled: Sequence[Settled], now_s: float) -> None:
        """These records were settled."""
        was_open = self._breaker.is_open
        self._breaker.settled(len(settled), sum(one.how == DEAD_LETTER for one in settled), now_s)
        if self._breaker.is_open and not was_open:
            count, dead = self._breaker.counts
            _log.error("reading_paused", dead_letters=dead, settled=count, within_s=round(WINDOW_S), next=_NEXT)
        self._show()

    def _show(self) -> None:
        metrics.PAUSED.labels("dead_letters").set(self._breaker.is_open)

"""Waiting until every product of the feed is tagged or a dead letter."""

import time
from collections.abc import Callable

from rich.table import Table

from hangtag.cli.demo.feeding import Feeding
from hangtag.cli.demo.tally import Counts, Tally
from hangtag.cli.errors import CommandError
from hangtag.cli.progress import LiveStatus
from hangtag.cli.rpc import IDS_PER_CALL, TagClient
from hangtag.cli.topic import TopicReader
from hangtag.letters import Letter, is_resolution
from hangtag.records import Record

_STALLED_S = 120
_MAX_FAILURES = 5
_CHECK_EVERY_S = 0.25
_CALLS_PER_CHECK = 5


class StalledError(CommandError):
    """Products are waiting, and none of them makes progress."""


class Watch:
    """Polls the server and the dead-letter topic until the feed is settled.

    `reasons` maps product ids of dead letters to messages; `first_tags_at` and `seconds` are the time of the first tags
    and the duration so far.
    """

    def __init__(self, tally: Tally, client: TagClient, dead_letters: TopicReader, status: LiveStatus) -> None:
        self.reasons: dict[str, str] = {}
        self.first_tags_at: float | None = None
        self._tally, self._client, self._dead_letters, self._status = tally, client, dead_letters, status
        self._started = time.monotonic()
        self.seconds = 0.0

    def until_settled(self, feeding: Feeding, check: Callable[[], None]) -> None:
        """Wait until the complete feed is published and settled. `check` raises if a program ended.

        Raises:
            StalledError: nothing was settled for two minutes.
            CommandError: publishing failed, or the server does not answer any more.
        """
        settled, progress_at, failures = 0, time.monotonic(), 0
        while True:
            check()
            published_all = feeding.is_done()
            try:
                counts = self.update()
                failures = 0
            except CommandError:
                failures += 1
                if failures > _MAX_FAILURES:
                    raise
                time.sleep(_CHECK_EVERY_S)  # then `check`: if a program ended, its error is more useful
                continue
            if counts.settled > settled:
                settled, progress_at = counts.settled, time.monotonic()
            if published_all and not counts.waiting:
                self._show(counts, is_last=True)
                return
            if time.monotonic() - progress_at > _STALLED_S:
                msg = f"nothing was settled for {_STALLED_S} s, {counts.waiting} products are waiting"
                raise StalledError(msg)
            time.sleep(_CHECK_EVERY_S)

    def update(self) -> Counts:
        """Poll once, show the counts and return them."""
        for record in self._dead_letters.new():
            if is_resolution(record.headers):
                continue
            letter = Letter.of(Record.of(record))
            self._tally.see_dead_letters([letter.product_id])
            self.reasons[letter.product_id] = letter.message or letter.error
        waiting = self._tally.waiting(_CALLS_PER_CHECK * IDS_PER_CALL)
        self._tally.see_products(self._client.look_up(waiting))
        counts = self._tally.counts()
        if counts.tagged and self.first_tags_at is None:
            self.first_tags_at = time.monotonic()
        self.seconds = time.monotonic() - self._started
        self._show(counts)
        return counts

    def _show(self, counts: Counts, *, is_last: bool = False) -> None:
        if counts.settled:
            self._status.show(_line(counts, self.seconds), _picture(counts, self.seconds), is_last=is_last)
        else:
            waited = int(self.seconds)
            self._status.show(f"published {counts.published:,}; the worker is loading the model ({waited} s) ...")


def _line(counts: Counts, seconds: float) -> str:
    rate = counts.settled / max(seconds, 0.1)
    return (
        f"published {counts.published:,}  tagged {counts.tagged:,}  dead letters {counts.dead:,}  "
        f"waiting {counts.waiting:,}  {rate:,.0f} products/s  oldest {counts.oldest_s:.1f} s"
    )


def _picture(counts: Counts, seconds: float) -> Table:
    table = Table("published", "tagged", "dead letters", "waiting", "products/s", "oldest waiting")
    figures = (counts.published, counts.tagged, counts.dead, counts.waiting)
    rate = counts.settled / max(seconds, 0.1)
    table.add_row(*(f"{figure:,}" for figure in figures), f"{rate:,.0f}", f"{counts.oldest_s:.1f} s")
    return table

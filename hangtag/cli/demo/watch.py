"""Watching until every product is settled."""

import time
from collections.abc import Callable

from rich.table import Table

from hangtag.cli.dead_letters import dead_letter
from hangtag.cli.demo.feeding import Feeding
from hangtag.cli.demo.tally import Counts, Tally
from hangtag.cli.errors import CommandError
from hangtag.cli.rpc import IDS_PER_CALL, TagClient
from hangtag.cli.screen import Screen
from hangtag.cli.topic import TopicReader

_STALLED_S = 120
_FAILED_LOOKS = 5
_LOOK_EVERY_S = 0.25
_CALLS_A_LOOK = 5


class StalledError(CommandError):
    """Products wait, and nothing happens to them."""


class Watch:
    """Asks the server and reads dead letters again and again; knows when the first tags came and how fast it goes."""

    def __init__(self, tally: Tally, client: TagClient, dead_letters: TopicReader, screen: Screen) -> None:
        self.reasons: dict[str, str] = {}
        self.first_tags_at: float | None = None
        self._tally, self._client, self._dead_letters, self._screen = tally, client, dead_letters, screen
        self._began = time.monotonic()
        self.seconds = 0.0

    def until_settled(self, feeding: Feeding, check: Callable[[], None]) -> None:
        """Return when the whole feed is published and nothing waits. `check` raises when a program ended.

        Raises:
            StalledError: nothing was settled for two minutes.
            CommandError: publishing failed, or the server answers no more.
        """
        settled, moved, failures = 0, time.monotonic(), 0
        while True:
            check()
            published_all = feeding.is_done()
            try:
                counts = self.look()
                failures = 0
            except CommandError:
                failures += 1
                if failures > _FAILED_LOOKS:
                    raise
                time.sleep(_LOOK_EVERY_S)  # then `check`: a program that ended has more to say
                continue
            if counts.settled > settled:
                settled, moved = counts.settled, time.monotonic()
            if published_all and not counts.waiting:
                return
            if time.monotonic() - moved > _STALLED_S:
                msg = f"nothing was settled for {_STALLED_S} s, {counts.waiting} products wait"
                raise StalledError(msg)
            time.sleep(_LOOK_EVERY_S)

    def look(self) -> Counts:
        """Ask once, show the state and return it."""
        for record in self._dead_letters.new():
            letter = dead_letter(record)
            self._tally.see_dead_letters([letter["product_id"]])
            self.reasons[letter["product_id"]] = letter.get("message") or letter.get("error", "")
        waiting = self._tally.waiting(_CALLS_A_LOOK * IDS_PER_CALL)
        self._tally.see_products(self._client.look_up(waiting))
        counts = self._tally.counts()
        if counts.tagged and self.first_tags_at is None:
            self.first_tags_at = time.monotonic()
        self.seconds = time.monotonic() - self._began
        self._screen.show(_line(counts, self.seconds), _picture(counts, self.seconds))
        return counts


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

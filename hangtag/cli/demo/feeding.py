"""Publishing the feed in the background."""

import threading
import time
from typing import Self

from hangtag.cli.demo.tally import Tally
from hangtag.cli.errors import CommandError
from hangtag.cli.feed_lines import LineError, event_of, open_feed, version_of
from hangtag.cli.publisher import Publisher
from hangtag.settings import KafkaSettings
from hangtag.v1 import events_pb2

_KEPT_PROBLEMS = 5
_KEPT_TITLES = 10_000


class Feeding:
    """A thread that publishes a feed and counts it in the tally; a context manager, leaving it stops the thread.

    `problems` describes the first lines that were not published, `skipped` counts all such lines, and `titles` maps the
    first product ids to titles.
    """

    def __init__(self, feed: str, settings: KafkaSettings, tally: Tally) -> None:
        self.problems: list[str] = []
        self.skipped = 0
        self.titles: dict[str, str] = {}
        self._feed, self._settings, self._tally = feed, settings, tally
        self._stop = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=10)

    def is_done(self) -> bool:
        """True when the complete feed is published and acknowledged.

        Raises:
            CommandError: publishing failed.
        """
        if self._thread.is_alive():
            return False
        if self._error is not None:
            raise self._error
        return True

    def _run(self) -> None:
        try:
            self._publish()
        except Exception as error:  # noqa: BLE001 (is_done raises it in the calling thread)
            self._error = error

    def _publish(self) -> None:
        now = time.time_ns() // 1_000_000
        with open_feed(self._feed) as lines, Publisher(self._settings) as publisher:
            for number, line in enumerate(lines, start=1):
                if self._stop.is_set():
                    return
                if not line.strip():
                    continue
                try:
                    event = event_of(line, now)
                except LineError as error:
                    self._skip(f"{self._feed}:{number}: {error}")
                    continue
                if event.type == events_pb2.EVENT_TYPE_DELETED:
                    self._skip(
                        f"{self._feed}:{number}: a deletion; the demo publishes only created and updated products"
                    )
                    continue
                product = event.product
                self._tally.published(product.product_id, version_of(event))
                if len(self.titles) < _KEPT_TITLES:
                    self.titles[product.product_id] = product.title
                publisher.send(event)
            publisher.finish()
            if publisher.refused:
                msg = f"the broker refused {len(publisher.refused)} products, the first: {publisher.refused[0]}"
                raise CommandError(msg)

    def _skip(self, problem: str) -> None:
        self.skipped += 1
        if len(self.problems) < _KEPT_PROBLEMS:
            self.problems.append(problem)

"""A comparison of the store with the topic while both are being written."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kafka.errors import KafkaError

from hangtag.cli.chunk_thread import ChunkThread
from hangtag.cli.errors import CommandError
from hangtag.cli.progress import remaining_time
from hangtag.cli.topic import TopicReader, no_kafka, reason_of
from hangtag.records import Record
from hangtag.settings import Settings
from hangtag.store import StoreSurvey
from hangtag.write import Comparison, Disagreement, Finding

# A product that changes at each of these looks is only said to be changing.
_LOOKS = 6


class Verifying:
    """One run of `hangtag verify`. One thread calls it.

    Attributes:
        address: that of the store.
        read: records that were read.
        stored: product keys that the store has.
        changing: products that were written at every look.
        is_complete: False if it ended early because too much disagrees.
    """

    def __init__(self, reader: TopicReader, survey: StoreSurvey, deleted_ttl_s: int) -> None:
        self.address = survey.address
        self._reader = reader
        self._survey = survey
        self._comparison = Comparison(survey, deleted_ttl_s)
        self.read = self.stored = self.changing = 0
        self.is_complete = True

    @property
    def findings(self) -> dict[Disagreement, Finding]:
        """What disagrees, by kind."""
        return self._comparison.findings

    @property
    def disagreeing(self) -> int:
        """Number of products that disagree."""
        return sum(found.count for found in self.findings.values())

    @property
    def products(self) -> int:
        """Number of products in the topic."""
        return self._comparison.products

    @property
    def unreadable(self) -> int:
        """Number of records that Hangtag did not write."""
        return self._comparison.unreadable

    def run(self, show: Callable[[str], None], grace_s: float) -> None:
        """Compare. `show` gets a line after each chunk of records.

        Raises:
            CommandError: the brokers sent nothing for a minute.
            StoreError: the store does not answer.
        """
        self._survey.check()
        self._read_topic(show)
        if self._comparison.has_enough:
            self.is_complete = False
            self._comparison.conclude()
            return
        show("looking at the keys of the store")
        self.stored = self._comparison.take_stored(self._survey.product_ids())
        self.changing = self._comparison.look_again()
        for _ in range(_LOOKS):
            if not self.changing:
                return
            show(f"waiting {grace_s:.0f} s to look again at {self.changing:,} products")
            time.sleep(grace_s)
            self._reader.renew_ends()
            self._read_topic(show)
            self.changing = self._comparison.look_again()

    def _read_topic(self, show: Callable[[str], None]) -> None:
        started = time.monotonic()
        with ChunkThread(self._comparison.take) as thread:
            for chunk in self._reader.chunks_until_end():
                thread.give([Record.of(one) for one in chunk])
                self.read += len(chunk)
                total = self._reader.total
                done = total - self._reader.remaining
                show(f"{done / max(1, total):.0%}: {self.read:,} records read, {remaining_time(started, done, total)}")
                if self._comparison.has_enough:
                    break
            thread.finish()


@contextmanager
def open_verifying(settings: Settings) -> Iterator[Verifying]:
    """A comparison with its connections.

    Raises:
        CommandError: Kafka does not answer, also later.
    """
    survey = StoreSurvey(settings.redis)
    try:
        with TopicReader(settings.kafka, settings.kafka.tagged_topic) as reader:
            yield Verifying(reader, survey, settings.redis.deleted_ttl_s)
    except KafkaError as error:
        raise CommandError(no_kafka(settings.kafka, reason_of(error))) from error
    finally:
        survey.close()

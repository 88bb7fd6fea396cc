"""An export: the topic is read into a work file, and the work file is written in order."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from hangtag.cli.topic import TopicReader
from hangtag.export import NewestEntries, open_file, row_of, suffix_of
from hangtag.kafka.tagged_topic import topic_id
from hangtag.records import Record
from hangtag.settings import KafkaSettings
from hangtag.write import entries_of

_AT_ONCE = 5_000


class Exporting:
    """One run of `hangtag export`. One thread calls it.

    Attributes:
        reader: the topic.
        offsets_file: where it says which offsets the file reflects.
        read: records that were read.
        unreadable: records that Hangtag did not write.
        products: products in the file; 0 until everything was read.
        written: how many of them are written.
    """

    def __init__(self, reader: TopicReader, newest: NewestEntries, settings: KafkaSettings, path: Path) -> None:
        self.reader = reader
        self.offsets_file = path.with_name(f"{path.name}.offsets.json")
        self.read = self.unreadable = self.products = self.written = 0
        self._newest, self._path = newest, path
        self._topic, self._topic_id = settings.tagged_topic, topic_id(settings)

    def run(self, show: Callable[[], None]) -> None:
        """Read to the end of the topic and write the file. `show` is called from time to time.

        Raises:
            CommandError: the brokers sent nothing for a minute.
            ExportError: a file cannot be written.
        """
        self.reader.start_at(self._newest.positions)
        for chunk in self.reader.chunks_until_end():
            entries = [entry for entry, _ in entries_of([Record.of(each) for each in chunk])]
            self._newest.take(entries, self.reader.positions())
            self.read += len(chunk)
            self.unreadable += len(chunk) - len(entries)
            show()
        self._newest.take((), self.reader.positions())
        self.products = self._newest.count()
        notes = {"hangtag.topic": self._topic, "hangtag.offsets": orjson.dumps(self.summary()["offsets"]).decode()}
        with open_file(self._path, notes) as write:
            products = self._newest.stored()
            while some := list(islice(products, _AT_ONCE)):
                write([row_of(*stored) for stored in some])
                self.written += len(some)
                show()
        # Behind the file: of an older one, a feed would only read something twice.
        with self.offsets_file.open("wb") as file:
            file.write(orjson.dumps(self.summary(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        self._newest.discard()

    def summary(self) -> dict[str, Any]:
        """What the file reflects: by partition, the next offset, below which everything was read."""
        offsets = {str(number): offset for number, offset in sorted(self._newest.positions.items())}
        return {
            "file": str(self._path),
            "topic": self._topic,
            "topic_id": self._topic_id,
            "products": self.products,
            "offsets": offsets,
        }


@contextmanager
def open_exporting(settings: KafkaSettings, path: Path, *, restart: bool) -> Iterator[Exporting]:
    """An export with its connection and its work file, which is kept if the block ends early.

    Raises:
        CommandError: no broker answers, or there is no such topic.
        ExportError: the file's name or folder is wrong, or another export is writing it.
    """
    suffix_of(path)
    work = path.with_name(f"{path.name}.work")
    if restart:
        work.unlink(missing_ok=True)
    with TopicReader(settings, settings.tagged_topic) as reader, NewestEntries(work, topic_id(settings)) as newest:
        yield Exporting(reader, newest, settings, path)

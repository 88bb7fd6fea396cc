"""Dead letters as they are read from their topic."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager

from hangtag.cli.console import make_console
from hangtag.cli.progress import LiveStatus
from hangtag.cli.topic import TopicReader
from hangtag.letters import Found, Place, Selection, newest_first
from hangtag.records import Record
from hangtag.settings import KafkaSettings

# Read at once at the end of each partition.
_TAIL = 100
# Records with their values, each up to a mebibyte, that are in memory at once.
_CHUNK = 100
# Offsets in between that are read over instead of asking the broker again.
_GAP = 500
_SHOW_EVERY = 500


class LetterReader:
    """Reads `products.deadletter`. Errors: as `TopicReader`."""

    def __init__(self, reader: TopicReader) -> None:
        self._reader = reader

    def newest_first(self, selection: Selection) -> Generator[Found]:
        """Letters that fit, with their resolutions; with places, only their partitions are read, down to the lowest.

        Shows how many were read until it is closed.
        """
        lowest: dict[int, int] = {}
        for place in selection.places:
            lowest[place.partition] = min(place.offset, lowest.get(place.partition, place.offset))
        begins = self._reader.begins
        if selection.places:
            begins = {number: max(first, lowest[number]) for number, first in begins.items() if number in lowest}
        tail = (Record.of(each) for chunk in self._reader.chunks_until_end() for each in chunk)
        found = newest_first(tail, self._reader.starts, begins, self._records)
        with LiveStatus(make_console(stderr=True)) as status:
            for count, (letter, resolution) in enumerate(found):
                if count and not count % _SHOW_EVERY:
                    status.show(f"{count:,} dead letters read")
                if selection.fits(letter):
                    yield letter, resolution

    def chunks(self, places: Iterable[Place]) -> Iterator[list[Record]]:
        """The records at these places, in the order of their offsets, a few at a time."""
        wanted = set(places)
        for number in sorted({place.partition for place in wanted}):
            offsets = sorted(place.offset for place in wanted if place.partition == number)
            for first, behind in _spans(offsets):
                for chunk in self._reader.chunks_between(number, first, behind, _CHUNK):
                    records = [Record.of(each) for each in chunk]
                    yield [each for each in records if Place(*each.partition, each.offset) in wanted]

    def _records(self, number: int, first: int, behind: int) -> Iterator[Record]:
        for chunk in self._reader.chunks_between(number, first, behind):
            yield from map(Record.of, chunk)


@contextmanager
def reading(settings: KafkaSettings) -> Iterator[LetterReader]:
    """Open the topic of dead letters."""
    with TopicReader(settings, settings.dead_letter_topic, last=_TAIL) as reader:
        yield LetterReader(reader)


def _spans(offsets: list[int]) -> Iterator[tuple[int, int]]:
    """First offset and the one behind the last, of offsets that are close to each other."""
    first = last = offsets[0]
    for offset in offsets[1:]:
        if offset - last > _GAP:
            yield first, last + 1
            first = offset
        last = offset
    yield first, last + 1

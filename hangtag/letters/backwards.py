"""Reading dead letters from the newest to the oldest.

A resolution is behind its letter in the same partition, so a reader that goes backwards knows what became of a letter
when it comes to it, and need not read the complete topic for the newest ones.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import merge

from hangtag.letters.letter import Letter
from hangtag.letters.resolution import Resolution, is_resolution
from hangtag.records import Record

# Offsets that are read at once: few at first, since most people want only the newest letters.
_FIRST, _MOST = 250, 4_000

Seen = Letter | Resolution
Found = tuple[Letter, Resolution | None]
# Reads the offsets from the second to before the third number of the partition with the first.
Read = Callable[[int, int, int], Iterable[Record]]


def newest_first(
    tail: Iterable[Record], starts: Mapping[int, int], begins: Mapping[int, int], read: Read
) -> Iterator[Found]:
    """Every letter with its newest resolution: in each partition by falling offset, together by when they were written.

    `tail` has the last records of the partitions, from the offsets `starts` on. What is before them is read in windows
    down to `begins`, as far as the caller goes. Of a window only letters and resolutions are kept, not the values.
    """
    last: dict[int, list[Seen]] = {number: [] for number in begins}
    for record in tail:
        last.get(record.partition.number, []).extend(_seen([record]))
    sequences = [_backwards(number, last[number], starts[number], begins[number], read) for number in begins]
    return merge(*sequences, key=lambda found: -found[0].written_ms)


def _backwards(number: int, window: list[Seen], start: int, begin: int, read: Read) -> Iterator[Found]:
    handled: dict[int, Resolution] = {}
    size = _FIRST
    while True:
        for seen in reversed(window):
            if isinstance(seen, Resolution):
                handled.setdefault(seen.letter.offset, seen)
            elif seen.place.offset >= begin:
                yield seen, handled.pop(seen.place.offset, None)
        if start <= begin:
            return
        low = max(begin, start - size)
        window = list(_seen(read(number, low, start)))
        start, size = low, min(2 * size, _MOST)


def _seen(records: Iterable[Record]) -> Iterator[Seen]:
    for record in records:
        if not is_resolution(record.headers):
            yield Letter.of(record)
        elif (resolution := Resolution.of(record)) is not None:
            yield resolution

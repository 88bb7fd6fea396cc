"""The vectors of products, and behind them the texts of all products."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from hangtag.workers.retag import Chunk, TextSource


class VectorsFirst:
    """See `TextSource`. First everything that has a vector, so that the texts behind it are mostly dealt with.

    Positions of the topic with the vectors are at the numbers -1, -2, ... for the partitions 0, 1, ...
    """

    def __init__(self, vectors: TextSource, texts: TextSource, positions: Mapping[int, int]) -> None:
        """Both sources are opened at their part of `positions`."""
        self._vectors, self._texts = vectors, texts
        self._positions = dict(positions)

    @property
    def total(self) -> int | None:
        """See `TextSource`."""
        return (self._vectors.total or 0) + (self._texts.total or 0)

    @property
    def done(self) -> int:
        """See `TextSource`."""
        return self._vectors.done + self._texts.done

    def chunks(self) -> Iterator[Chunk]:
        """See `TextSource`."""
        for chunk in self._vectors.chunks():
            self._positions |= {-1 - number: offset for number, offset in chunk.positions.items()}
            yield replace(chunk, positions=dict(self._positions), comes_again=True)
        for chunk in self._texts.chunks():
            self._positions |= chunk.positions
            yield replace(chunk, positions=dict(self._positions))

    def commit(self, positions: Mapping[int, int]) -> None:
        """See `TextSource`."""
        self._vectors.commit(of_vectors(positions))
        self._texts.commit(of_texts(positions))


def of_vectors(positions: Mapping[int, int]) -> dict[int, int]:
    """The positions of the topic with the vectors, by its own partitions."""
    return {-1 - number: offset for number, offset in positions.items() if number < 0}


def of_texts(positions: Mapping[int, int]) -> dict[int, int]:
    """The positions of the texts."""
    return {number: offset for number, offset in positions.items() if number >= 0}

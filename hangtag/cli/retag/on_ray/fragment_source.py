"""The products of a folder of fragments, with their tags."""

from collections.abc import Iterator, Mapping

from hangtag.cli.retag.on_ray.fragments import Fragments, Tagged
from hangtag.store import Entry, bundle_prefix
from hangtag.text.product_text import ProductText
from hangtag.workers.retag import Chunk, ReleaseTags, SourceText

_NO_TEXT = ProductText("")


class FragmentSource:
    """See `TextSource`. The position `0` is the number of fragments that are dealt with.

    What an interrupted run has written of a fragment it finds to be the same.
    """

    def __init__(self, fragments: Fragments, release: ReleaseTags, positions: Mapping[int, int]) -> None:
        self._fragments, self._release = fragments, release
        self._names = sorted(fragments.names())
        self._first = self._done = positions.get(0, 0)

    @property
    def total(self) -> int | None:
        """See `TextSource`: fragments."""
        return len(self._names) - self._first

    @property
    def done(self) -> int:
        """See `TextSource`: fragments."""
        return self._done - self._first

    def chunks(self) -> Iterator[Chunk]:
        """See `TextSource`.

        Raises:
            CommandError: a fragment cannot be read.
        """
        for place, name in enumerate(self._names[self._first :], self._first):
            counts = self._fragments.counts(name)
            for rows in self._fragments.rows(name):
                yield Chunk([self._text(row) for row in rows], 0, {0: place})
            self._done = place + 1
            yield Chunk([], counts.failed + counts.unreadable, {0: self._done})

    def commit(self, positions: Mapping[int, int]) -> None:
        """See `TextSource`; the store has the position."""

    def _text(self, row: Tagged) -> SourceText:
        release = self._release
        tagged = Entry(
            product_id=row.product_id,
            version=row.version or 0,
            payload=row.tags,
            bundle_prefix=bundle_prefix(release.bundle_version),
            sequence=release.sequence,
            text_hash=row.text_hash,
        )
        return SourceText(row.product_id, row.version, _NO_TEXT, row.text_hash, tagged)

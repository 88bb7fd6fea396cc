"""The mapping of one file: what was given, completed for the exports of shop systems that are recognised."""

from collections.abc import Sequence
from pathlib import Path

from hangtag.trainer.data.feeds import Feed, feed_of
from hangtag.trainer.data.header import check_header
from hangtag.trainer.data.row import EmptyRow, Row
from hangtag.trainer.recipe.columns import Columns


class FileColumns:
    """A file's mapping, complete once its columns have been seen.

    `feed` is the shop system's export that the file is, None if it is none that is known. With `any_columns` none is
    required.
    """

    def __init__(self, columns: Columns, *, any_columns: bool = False) -> None:
        self.columns = columns
        self.feed: Feed | None = None
        self._any_columns = any_columns
        self._names: Sequence[str] = ()

    def see(self, path: Path, names: Sequence[str], *, is_table: bool) -> None:
        """Note a file's columns, those of its first row if it is no table.

        Raises:
            MissingColumnsError: a table lacks one.
            LabelledFileError: one is repeated.
        """
        self.feed, self._names = feed_of(names), names
        if self.feed is not None:
            self.columns = self.feed.columns(names, self.columns, are_all=is_table)
        can_have_more = self._any_columns or (self.feed is not None and self.feed.has_attributes)
        if is_table and not can_have_more:
            check_header(path, names, self.columns)

    def row(self, row: Row) -> Row | EmptyRow:
        """The row as its shop system means it."""
        if self.feed is None:
            return row
        fields = self.feed.fields(row.fields)
        return EmptyRow(row.file, row.line) if fields is None else Row(row.file, row.line, fields)

    def __str__(self) -> str:
        """What was recognised, as a sentence; empty if that is nothing."""
        if self.feed is None:
            return ""
        columns = self.columns
        texts = {name: column for name in self.feed.texts if (column := getattr(columns, name)) in self._names}
        labels = {**{f"facet.{name}": column for name, column in columns.facet.items()}, **columns.path}
        shown = (f"{name}={column}" for name, column in (texts | (labels if columns.labelled else {})).items())
        return f"a {self.feed.name}: {', '.join(shown)}"

"""Tables of data that others wrote."""

from rich.table import Column, Table


def make_table(*headers: str, title: str | None = None, show_header: bool = True) -> Table:
    """A table that folds what is too long for the terminal: an id or a tag is never cut."""
    columns = (Column(header, overflow="fold") for header in headers)
    return Table(*columns, title=title, show_header=show_header)

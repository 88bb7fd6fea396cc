"""`hangtag deadletters show`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from hangtag.cli.console import printable
from hangtag.cli.options import JsonOutput

if TYPE_CHECKING:  # it loads protobuf
    from hangtag.records import Record


def show(
    place: Annotated[str, typer.Argument(metavar="PLACE", help="Place of the letter, as the list shows it: 0@12.")],
    with_value: Annotated[
        bool, typer.Option("--value", help="Also the value, which may have the texts of a product.")
    ] = False,
    as_json: JsonOutput = False,
) -> None:
    """Show everything about one dead letter: key, headers, sizes, and what became of it.

    Example: hangtag deadletters show products.deadletter-0@12 --value
    """
    from contextlib import closing  # noqa: PLC0415

    from hangtag.cli.dead_letters.listing import resolved  # noqa: PLC0415
    from hangtag.cli.dead_letters.reading import reading  # noqa: PLC0415
    from hangtag.cli.running import settings_here  # noqa: PLC0415
    from hangtag.cli.show import print_json  # noqa: PLC0415
    from hangtag.cli.stopping import Stopped, stopping  # noqa: PLC0415
    from hangtag.letters import LetterError, Place, Selection, iso_time  # noqa: PLC0415

    settings = settings_here().kafka
    at = Place.parse(place, settings.dead_letter_topic)
    try:
        with stopping(), reading(settings) as letters:
            with closing(letters.newest_first(Selection(places=frozenset({at})))) as newest:
                found = next(newest, None)
            records = [] if found is None else [record for chunk in letters.chunks([at]) for record in chunk]
    except Stopped:
        raise typer.Exit(130) from None
    if found is None or not records:
        msg = f"there is no dead letter at {at}; `hangtag deadletters list --all` shows those that there are"
        raise LetterError(msg)
    (letter, resolution), [record] = found, records
    rows: dict[str, Any] = {
        "letter": str(at),
        "written": iso_time(letter.written_ms),
        "first_sent": iso_time(letter.first_sent_ms),
        "key": _text(record.key),
        "value_bytes": None if record.value is None else len(record.value),
        "record_bytes": record.size,
        "headers": [[name, _text(text)] for name, text in record.headers],
        "resolution": None if resolution is None else resolved(resolution),
    }
    if with_value:
        rows["value"] = _value(record)
    if as_json:
        print_json(rows)
    else:
        _print(rows)


def _print(rows: dict[str, Any]) -> None:
    import orjson  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from hangtag.cli.console import make_table, plain_console  # noqa: PLC0415

    console, table = plain_console(), make_table(show_header=False)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for name, value in rows.items():
        if name not in ("headers", "value"):
            table.add_row(name, Text("-" if value is None else printable(str(value))))
    table.add_section()
    for name, text in rows["headers"]:
        table.add_row(Text(printable(name)), Text("(no value)" if text is None else printable(text)))
    console.print(table)
    if "value" in rows:
        value = rows["value"]
        shown = value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
        console.print(printable(shown, keep="\n"), soft_wrap=True)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "backslashreplace")


def _value(record: "Record") -> Any:
    """The value as JSON or as an event in protobuf, if it is one of them, else as text."""
    import orjson  # noqa: PLC0415
    from google.protobuf.message import DecodeError  # noqa: PLC0415

    from hangtag.cli.show import as_dict  # noqa: PLC0415
    from hangtag.v1 import events_pb2  # noqa: PLC0415

    value = record.value or b""
    is_protobuf = any(name.lower() == "content-type" and b"protobuf" in (text or b"") for name, text in record.headers)
    try:
        return as_dict(events_pb2.ProductEvent.FromString(value)) if is_protobuf else orjson.loads(value)
    except (ValueError, DecodeError):
        return _text(value)

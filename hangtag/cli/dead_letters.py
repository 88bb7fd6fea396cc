"""`hangtag deadletters`."""

from typing import Annotated, Any

import typer

from hangtag.cli.options import JsonOutput

_SHOWN = ("product_id", "partition", "offset", "stage", "error", "message")


def deadletters(
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="Number of records to show.")] = 20,
    as_json: JsonOutput = False,
) -> None:
    """Show the newest records that could not be tagged, with the reason and their place in the topic.

    Example: hangtag deadletters --limit 5
    """
    from hangtag.cli.running import settings_here  # noqa: PLC0415
    from hangtag.cli.show import print_json  # noqa: PLC0415
    from hangtag.cli.topic import TopicReader  # noqa: PLC0415

    settings = settings_here().kafka
    with TopicReader(settings, settings.dead_letter_topic, last=limit) as reader:
        records = sorted(reader.until_end(), key=lambda record: record.timestamp)[-limit:]
    rows = [dead_letter(record) for record in records]
    if as_json:
        print_json(rows)
        return
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from hangtag.cli.console import make_console  # noqa: PLC0415

    if not rows:
        typer.echo(f"no dead letters in {settings.dead_letter_topic} at {settings.bootstrap}")
        return
    table = Table("product", *_SHOWN[1:])
    for column in table.columns:
        column.overflow = "fold"
    for row in rows:
        left_out = f" (truncated: {row['truncated']})" if "truncated" in row else ""
        shown = {**row, "message": row.get("message", "") + left_out}
        table.add_row(*(Text(shown.get(name, "")) for name in _SHOWN))
    make_console().print(table)


def dead_letter(record: Any) -> dict[str, str]:
    """The record's key, or without one the product id in its value, and its `hangtag.` headers without the prefix."""
    from hangtag.records import product_id_of  # noqa: PLC0415

    headers = {
        name.removeprefix("hangtag."): (value or b"").decode("utf-8", "replace")
        for name, value in record.headers
        if name.startswith("hangtag.")
    }
    key = product_id_of(record.value, record.headers) if record.key is None else record.key.decode("utf-8", "replace")
    return {"product_id": key, **headers}

"""`hangtag deadletters`."""

from typing import Annotated, Any

import typer
from rich.padding import Padding
from rich.text import Text

from hangtag.cli.options import JsonOutput

_NUMBERS = ("partition", "offset", "timestamp", "attempts")


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
    from hangtag.cli.console import plain_console  # noqa: PLC0415

    if not rows:
        typer.echo(f"no dead letters in {settings.dead_letter_topic} at {settings.bootstrap}")
        return
    console = plain_console()
    for row in rows:
        console.print(_heading(row), soft_wrap=True)
        left_out = f" (truncated: {row['truncated']})" if "truncated" in row else ""
        console.print(Padding(Text(f"{row.get('message', '')}{left_out}"), (0, 0, 0, 4)))


def _heading(row: dict[str, Any]) -> Text:
    """Product, place in the source topic, stage and kind of error: one line."""
    place = "-".join(str(row[name]) for name in ("topic", "partition") if name in row)
    place = f"{place}@{row['offset']}" if "offset" in row else place
    parts = (place, row.get("stage", ""), row.get("error", ""))
    heading = Text(str(row["product_id"]) or "(no key)", style="bold")
    return heading.append(f"  {'  '.join(str(part) for part in parts if part)}", style="not bold")


def dead_letter(record: Any) -> dict[str, Any]:
    """The record's key and its `hangtag.` headers without the prefix; those that are numbers as numbers.

    Without a key, the product id in the record's value.
    """
    from hangtag.records import product_id_of  # noqa: PLC0415

    headers = {
        name.removeprefix("hangtag."): (value or b"").decode("utf-8", "replace")
        for name, value in record.headers
        if name.startswith("hangtag.")
    }
    numbers = {name: int(headers[name]) for name in _NUMBERS if headers.get(name, "").isdecimal()}
    key = product_id_of(record.value, record.headers) if record.key is None else record.key.decode("utf-8", "replace")
    return {"product_id": key, **headers, **numbers}

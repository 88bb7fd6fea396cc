"""`hangtag config`."""

import sys
from dataclasses import asdict
from typing import Annotated

import typer


def config(
    as_json: Annotated[bool, typer.Option("--json", help="as JSON on standard output")] = False,
) -> None:
    """Show every setting, its value, and where it came from. Secrets are masked.

    The environment goes before the file (hangtag.toml, or what HANGTAG_CONFIG names) before the defaults.

    Example: HANGTAG_SERVER__PORT=7000 hangtag config
    """
    from hangtag.settings import resolve, variable_of  # noqa: PLC0415

    settings = resolve()
    if as_json:
        import orjson  # noqa: PLC0415

        rows = [{**asdict(setting), "variable": variable_of(setting.name)} for setting in settings]
        sys.stdout.write(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from hangtag.cli.screen import make_console  # noqa: PLC0415

    table = Table("setting", "value", "from", "meaning")
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.overflow = "fold"
    for setting in settings:
        origin = Text(setting.origin, style="dim" if setting.origin == "default" else "bold")
        table.add_row(setting.name, Text(setting.value), origin, Text(setting.description, style="dim"))
    make_console().print(table)

"""`hangtag config`."""

import sys
from dataclasses import asdict

import typer

from hangtag.cli.options import JsonOutput


def config(as_json: JsonOutput = False) -> None:
    """Show every setting with its value and where the value comes from; secrets are masked.

    Environment variables override the settings file (hangtag.toml, or the file that HANGTAG_CONFIG names), and the file
    overrides the defaults. Warns of a server that others reach without TLS or tokens.

    Example: HANGTAG_SERVER__PORT=7000 hangtag config
    """
    from hangtag.access import cautions  # noqa: PLC0415
    from hangtag.settings import load_settings, resolve, variable_of  # noqa: PLC0415

    settings = resolve()
    for caution in cautions(load_settings().server):
        typer.echo(f"warning: {caution}", err=True)
    if as_json:
        import orjson  # noqa: PLC0415

        rows = [{**asdict(setting), "variable": variable_of(setting.name)} for setting in settings]
        sys.stdout.write(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from hangtag.cli.console import make_console  # noqa: PLC0415

    table = Table("setting", "value", "from", "meaning")
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.overflow = "fold"
    for setting in settings:
        origin = Text(setting.origin, style="dim" if setting.origin == "default" else "bold")
        table.add_row(setting.name, Text(setting.value), origin, Text(setting.description, style="dim"))
    make_console().print(table)

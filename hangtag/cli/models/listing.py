"""`hangtag model list`, `show`, `history` and `at`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hangtag.cli.console import make_table, plain_console, printable
from hangtag.cli.errors import CommandError
from hangtag.cli.models.options import Route, Version
from hangtag.cli.options import JsonOutput

if TYPE_CHECKING:  # loads pydantic, kafka-python and redis-py
    from hangtag.models import Entry, History, Listed
    from hangtag.settings import Settings

_SHOWN = 12
# Characters; a recipe lists every column and word.
_MOST_OF_RECIPE = 400


def list_models(as_json: JsonOutput = False) -> None:
    """Show the bundles in the place for models, oldest first, and which of them are in use.

    Example: hangtag model list
    """
    from hangtag.cli.models.options import open_shelf  # noqa: PLC0415
    from hangtag.cli.running import settings_here  # noqa: PLC0415
    from hangtag.cli.show import print_json  # noqa: PLC0415

    settings = settings_here()
    found = open_shelf(settings).list()
    history = _history_if_there(settings)
    rows = [as_row(each, _routes_of(each, history)) for each in found]
    if as_json:
        print_json([{name: row[name] for name in row if name not in ("recipe", "metrics")} for row in rows])
        return
    if not rows:
        typer.echo(f"no bundles in {settings.models.store}; add one with `hangtag model push FOLDER`")
        return
    table = make_table("version", "name", "pushed", "by", "MB", "in use", "why")
    for row in rows:
        in_use = ", ".join(row["in_use"])
        size = f"{row['bytes'] / 1e6:.1f}"
        table.add_row(
            row["version"][:_SHOWN],
            printable(row["name"]),
            row["pushed"],
            row["pushed_by"],
            size,
            in_use,
            row["reason"],
        )
    plain_console().print(table)


def show(version: Version, as_json: JsonOutput = False) -> None:
    """Show where a bundle comes from: recipe, data, metrics, files, who pushed it, and when.

    Example: hangtag model show 3f9c21
    """
    from hangtag.cli.models.options import open_shelf  # noqa: PLC0415
    from hangtag.cli.running import settings_here  # noqa: PLC0415
    from hangtag.cli.show import print_json  # noqa: PLC0415

    settings = settings_here()
    row = as_row(listed := open_shelf(settings).facts(version), _routes_of(listed, _history_if_there(settings)))
    files = [file.model_dump() for file in listed.files]
    if as_json:
        print_json({**row, "files": files})
        return
    table = make_table("what", "value", show_header=False)
    for name in ("version", "name", "created", "base_model", "data_fingerprint", "pushed", "pushed_by", "reason"):
        table.add_row(name, printable(str(row[name])))
    table.add_row("in_use", ", ".join(row["in_use"]) or "no")
    table.add_row("blocked", ", ".join(row["blocked"]) or "none")
    for file in listed.files:
        table.add_row(file.name, f"{file.bytes:,} bytes, sha256 {file.sha256[:_SHOWN]}")
    for facet, figures in row["metrics"].get("validation", {}).items():
        table.add_row(f"metrics: {facet}", _figures(figures))
    table.add_row("recipe", printable(_short(row["recipe"])))
    plain_console().print(table)


def history(route: Route = None, as_json: JsonOutput = False) -> None:
    """Show every decision, oldest first: what was put into use or blocked, who decided it, when and why.

    Example: hangtag model history
    """
    from hangtag.cli.models.deciding import read_history  # noqa: PLC0415
    from hangtag.cli.models.options import route_of  # noqa: PLC0415
    from hangtag.cli.running import settings_here  # noqa: PLC0415
    from hangtag.cli.show import print_json  # noqa: PLC0415

    settings = settings_here()
    where = route_of(settings, route)
    entries = [each for each in read_history(settings).entries if each.decision.route == where]
    if as_json:
        print_json([_entry_row(each) for each in entries])
        return
    if not entries:
        typer.echo(f"nothing was decided on the route {where}; put a bundle into use with `hangtag model promote`")
        return
    table = make_table("sequence", "time", "what", "bundle", "blocked", "by", "why")
    for row in map(_entry_row, entries):
        sequence = "void" if row["sequence"] is None else str(row["sequence"])
        blocked = ", ".join(row["blocked"])
        table.add_row(
            sequence,
            row["time"],
            row["what"],
            row["bundle_version"][:_SHOWN],
            blocked,
            row["by"],
            printable(row["reason"]),
        )
    plain_console().print(table)


def at(
    date: Annotated[
        str,
        typer.Argument(
            metavar="DATE", help="An ISO time (UTC unless it has a zone), or a duration ago such as 2h or 7d."
        ),
    ],
    route: Route = None,
    as_json: JsonOutput = False,
) -> None:
    """Show which bundle was in use at a time, and who had decided it.

    Example: hangtag model at 2026-10-31T12:00
    """
    from hangtag.cli.models.deciding import read_history  # noqa: PLC0415
    from hangtag.cli.models.options import route_of  # noqa: PLC0415
    from hangtag.cli.running import settings_here  # noqa: PLC0415
    from hangtag.cli.show import print_json  # noqa: PLC0415
    from hangtag.letters import iso_time, parse_time  # noqa: PLC0415
    from hangtag.telemetry.clock import SystemClock  # noqa: PLC0415

    settings = settings_here()
    where, at_ms = route_of(settings, route), parse_time(date, SystemClock().wall_ms())
    entry = read_history(settings).at(at_ms, where)
    if entry is None:
        msg = f"no bundle was in use on the route {where} at {iso_time(at_ms)}"
        raise CommandError(msg)
    row = _entry_row(entry)
    if as_json:
        print_json(row)
        return
    plain_console().print(
        f"{where} at {iso_time(at_ms)}: {row['bundle_version']}, sequence {row['sequence']}, since {row['time']} "
        f"by {row['by']} ({row['what']}: {printable(row['reason'])})",
        soft_wrap=True,
    )
    if row["blocked"]:
        plain_console().print(f"blocked tags: {', '.join(row['blocked'])}", soft_wrap=True)


def as_row(listed: "Listed", in_use: Sequence[str]) -> dict[str, Any]:
    """A bundle for `--json`. `in_use` are the routes on which it is in use."""
    from hangtag.letters import iso_time  # noqa: PLC0415

    return {
        "version": listed.version,
        "integrity": listed.integrity,
        **listed.manifest,
        "bytes": listed.size,
        "blocked": list(listed.blocked),
        "pushed": iso_time(listed.facts.pushed_ms),
        "pushed_by": listed.facts.pushed_by,
        "reason": listed.facts.note,
        "in_use": list(in_use),
    }


def _entry_row(entry: "Entry") -> dict[str, Any]:
    from hangtag.letters import iso_time  # noqa: PLC0415

    decision, pointer = entry.decision, entry.pointer
    return {
        "sequence": pointer.sequence if pointer else None,
        "time": iso_time(pointer.at_ms if pointer else decision.at_ms),
        "what": decision.kind.value,
        "route": decision.route,
        "bundle_version": decision.bundle_version,
        "blocked": list(decision.blocked),
        "by": decision.actor,
        "reason": decision.reason,
    }


def _history_if_there(settings: "Settings") -> "History | None":
    """None: the decisions cannot be read now; what is in the place for models can be shown all the same."""
    from hangtag.cli.models.deciding import read_history  # noqa: PLC0415
    from hangtag.models import ModelsTopicError  # noqa: PLC0415

    try:
        return read_history(settings)
    except ModelsTopicError as error:
        typer.echo(f"warning: what is in use is not known: {error}", err=True)
        return None


def _routes_of(listed: "Listed", history: "History | None") -> list[str]:
    routes = history.routes if history is not None else []
    pointers = [(route, history.current(route)) for route in routes] if history is not None else []
    return [route for route, pointer in pointers if pointer is not None and pointer.bundle_version == listed.version]


def _figures(figures: dict[str, Any]) -> str:
    """What the validation products say about a facet."""
    names = {"macro_f1": "macro F1", "micro_f1": "micro F1", "auto_coverage": "AUTO coverage"}
    shown = [f"{title} {figures[name]:.1%}" for name, title in names.items() if isinstance(figures.get(name), float)]
    return ", ".join([*shown, f"{figures.get('support', 0):,} products"])


def _short(value: Any) -> str:
    import orjson  # noqa: PLC0415

    text = orjson.dumps(value).decode()
    return text if len(text) <= _MOST_OF_RECIPE else f"{text[:_MOST_OF_RECIPE]} ... (all of it: --json)"

"""`hangtag model products`."""

from collections.abc import Sequence
from typing import NamedTuple

import typer

from hangtag.cli.options import JsonOutput


class _Row(NamedTuple):
    """The products that one release has tagged."""

    sequence: int
    bundle: str
    products: int
    is_in_use: bool


def products(as_json: JsonOutput = False) -> None:
    """Count the stored products by the bundle that tagged them, and its place in the order of releases.

    All keys of the store are looked at with SCAN, and only the first bytes of each value are read. Sequence 0 means
    that the bundle was not promoted.

    Example: hangtag model products
    """
    from hangtag.cli.console import make_console  # noqa: PLC0415
    from hangtag.cli.progress import LiveStatus  # noqa: PLC0415
    from hangtag.cli.running import settings_here  # noqa: PLC0415
    from hangtag.cli.show import print_json  # noqa: PLC0415
    from hangtag.cli.stopping import Stopped, stopping  # noqa: PLC0415
    from hangtag.models import PointerRecord  # noqa: PLC0415
    from hangtag.store import StoreSurvey  # noqa: PLC0415

    settings = settings_here()
    survey = StoreSurvey(settings.redis)
    try:
        with stopping(), LiveStatus(make_console(stderr=True)) as status:
            survey.check()
            counts = survey.origins(lambda found: status.show(f"{found:,} products"))
            with PointerRecord(settings.redis) as record:
                pointer = record.read(settings.models.route)
    except Stopped:
        typer.echo("stopped: not everything was counted")
        raise typer.Exit(130) from None
    finally:
        survey.close()
    in_use = None if pointer is None else (pointer.sequence, pointer.bundle_version[:16])
    rows = [
        _Row(origin.sequence, origin.bundle_prefix, count, tuple(origin) == in_use)
        for origin, count in sorted(counts.items(), reverse=True)
    ]
    if as_json:
        print_json({"store": survey.address, "releases": [row._asdict() for row in rows]})
    else:
        _print(rows)


def _print(rows: Sequence[_Row]) -> None:
    from hangtag.cli.console import make_table, plain_console  # noqa: PLC0415

    table = make_table("sequence", "bundle", "products", "")
    for row in rows:
        table.add_row(str(row.sequence), row.bundle, f"{row.products:,}", "in use" if row.is_in_use else "")
    plain_console().print(table)
    total, current = sum(row.products for row in rows), sum(row.products for row in rows if row.is_in_use)
    typer.echo(f"{total:,} products have tags, {current:,} of them those of the bundle in use")

"""What became of a re-tag, as text or JSON."""

from dataclasses import asdict

import typer

from hangtag.workers.retag import Retagging

_FAILURES_SHOWN = 20


def print_retagged(work: Retagging, seconds: float, *, as_json: bool) -> None:
    """Print what became of the texts."""
    from hangtag.cli.console import make_console  # noqa: PLC0415
    from hangtag.cli.show import print_json  # noqa: PLC0415

    counts = asdict(work.counts)
    if as_json:
        failures = [{"product_id": product_id, "error": error} for product_id, error in work.failures]
        run = work.run
        print_json(
            {
                "bundle_version": run.bundle_version,
                "sequence": run.sequence,
                "run_id": run.run_id,
                "seconds": seconds,
                **counts,
                "failures": failures,
            }
        )
        return
    console = make_console(stderr=True)
    for product_id, error in work.failures[:_FAILURES_SHOWN]:
        console.print(f"cannot be tagged: {product_id}: {error}", style="red", markup=False, soft_wrap=True)
    others = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in counts.items() if name != "written")
    typer.echo(
        f"{counts['written']:,} products have tags of bundle {work.run.bundle_version[:12]} (sequence "
        f"{work.run.sequence}) now, after {seconds:.1f} s: {others}. `hangtag retag undo` puts the replaced tags back, "
        "`hangtag retag finalize` drops them"
    )

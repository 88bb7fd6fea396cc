"""`hangtag release`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.table import Table

from hangtag.cli.errors import CommandError
from hangtag.cli.plain_console import plain_console
from hangtag.cli.stopping import Stopped, stopping
from hangtag.cli.tables import make_table

if TYPE_CHECKING:  # these bring scikit-learn with them
    from hangtag.trainer.releasing.compare import Difference, TagDifference
    from hangtag.trainer.releasing.gate import Verdict

# Tags that are shown of those that gain and of those that lose.
_SHOWN = 10


def release(
    candidate: Annotated[Path, typer.Argument(help="the new bundle's folder")],
    against: Annotated[str, typer.Option(help="the current bundle: its folder or `starter`")],
    data: Annotated[list[Path], typer.Option(help="labelled file; repeat it. Neither should be trained on these")],
    column: Annotated[list[str] | None, typer.Option(help="where these files keep what, as for `train`")] = None,
    to: Annotated[Path | None, typer.Option(help="where the candidate is put if it passes")] = None,
    max_loss: Annotated[float, typer.Option(min=0, help="points of F1 that a facet may lose")] = 0.5,
    max_mean_loss: Annotated[
        float, typer.Option(min=0, help="points of mean F1 over the tags that both know and 5 products carry")
    ] = 1.0,
    max_tag_loss: Annotated[float, typer.Option(min=0, help="points of F1 that a tag may lose")] = 5.0,
    max_coverage_loss: Annotated[
        float, typer.Option(min=0, help="points of a facet's AUTO coverage, of all the products")
    ] = 5.0,
    max_slowdown: Annotated[float, typer.Option(min=0, help="part of the speed that may be lost")] = 0.1,
    max_size: Annotated[float, typer.Option(min=0.001, help="MB")] = 40.0,
    allow_missing: Annotated[bool, typer.Option("--allow-missing", help="tags of the current one may be gone")] = False,
    allow_weaker_promise: Annotated[
        bool, typer.Option("--allow-weaker-promise", help="AUTO may promise less precision than now")
    ] = False,
    json: Annotated[Path | None, typer.Option("--json", help="write every figure here")] = None,
) -> None:
    """Say whether a bundle may take another one's place, and put it there. The exit code is 1 if it is refused.

    Both tag the same products on the processor's engine; a loss counts when it is beyond its limit and a bootstrap
    interval says that it is no chance. What was at --to before is kept beside it as NAME.previous.

    Example: hangtag release runs/new/bundle --against runs/shop/bundle --data validation.jsonl --to bundles/shop
    """
    console = plain_console(stderr=True)
    try:
        from hangtag.trainer.data.labelled import read_labelled  # noqa: PLC0415
        from hangtag.trainer.errors import TrainerError  # noqa: PLC0415
        from hangtag.trainer.recipe.columns import Columns  # noqa: PLC0415
        from hangtag.trainer.releasing.gate import Limits, check_release  # noqa: PLC0415 (scikit-learn loads only here)
    except ImportError as error:
        msg = f"{error}; releasing needs more packages: pip install 'hangtag[train]'"
        raise CommandError(msg) from error
    from hangtag.bundle import STARTER, check_place, copy_bundle, load_bundle  # noqa: PLC0415
    from hangtag.settings import ModelSettings  # noqa: PLC0415
    from hangtag.tagger.tagger import open_tagger  # noqa: PLC0415

    limits = Limits(
        loss=max_loss,
        mean_loss=max_mean_loss,
        tag_loss=max_tag_loss,
        coverage_loss=max_coverage_loss,
        slowdown=max_slowdown,
        megabytes=max_size,
        allow_missing=allow_missing,
        allow_weaker_promise=allow_weaker_promise,
    )
    try:
        with stopping(), console.status("reading") as status:
            if to is not None:
                check_place(to)
            products = read_labelled(data, Columns.read(None, column or ()))
            folders = (STARTER if against == "starter" else Path(against), candidate)
            current, offered = (open_tagger(ModelSettings(bundle=str(folder), engine="cpu")) for folder in folders)
            sizes = [sum(file.stat().st_size for file in folder.iterdir()) / 1e6 for folder in folders]
            verdict = check_release(current, offered, products, (sizes[0], sizes[1]), limits, status.update)
            if json is not None:
                json.write_bytes(orjson.dumps(verdict.to_json(), option=orjson.OPT_INDENT_2))
            released = ""
            if to is not None and not verdict.refused:
                before = load_bundle(to).version if (to / "manifest.json").is_file() else None
                previous = to.with_name(to.name + ".previous")
                if before == offered.bundle.version:
                    released = f"{to} has this version already; nothing was changed"
                else:
                    copy_bundle(candidate, to, previous)
                    kept = f"; what was there before: {previous}" if before else ""
                    released = f"{candidate} is now in {to}{kept}"
    except (TrainerError, OSError, ValueError) as error:
        raise CommandError(str(error)) from error
    except Stopped:
        console.print("stopped; nothing was released")
        raise typer.Exit(130) from None
    _print(verdict)
    if verdict.refused:
        raise typer.Exit(1)
    if released:
        plain_console().print(released, soft_wrap=True)


def _print(verdict: "Verdict") -> None:
    console = plain_console()
    compared = verdict.compared
    table = make_table("facet", "products", "F1 now", "candidate", "difference", "macro F1", "AUTO tags", "right")
    for facet in compared.facets:
        served = compared.served[facet.facet]
        table.add_row(
            facet.facet,
            f"{facet.products:,}",
            f"{facet.f1.current:.2f}",
            f"{facet.f1.candidate:.2f}",
            _told(facet.f1),
            _told(facet.macro_f1),
            f"{served.tags:,}",
            f"{served.right / served.tags:.1%}" if served.tags else "",
        )
    console.print(table)
    covered = make_table("facet", "AUTO now", "candidate", title="of all the products")
    for name, shares in compared.coverage.items():
        covered.add_row(name, *(f"{share:.1%}" for share in shares))
    console.print(covered)
    tags = sorted((tag for facet in compared.facets for tag in facet.tags), key=lambda each: each.f1.points)
    console.print(_tags("lose", [tag for tag in tags if tag.f1.points < 0][:_SHOWN]))
    known = [tag for tag in reversed(tags) if tag.tag not in verdict.new]
    console.print(_tags("gain", [tag for tag in known if tag.f1.points > 0][:_SHOWN]))
    if verdict.new:
        learnt = sorted((tag for tag in tags if tag.tag in verdict.new), key=lambda tag: tag.f1.candidate)
        console.print(_tags("are new, the worst first", learnt[:_SHOWN]))
    if compared.shared is not None:
        console.print(f"tags that both know: mean F1 {_told(compared.shared)}")
    now, new = verdict.megabytes
    console.print(f"speed {verdict.speed:.2f} of the current one's; {new:.1f} MB, now {now:.1f}")
    console.print(f"tags: {len(verdict.new)} new, {len(verdict.missing)} gone")
    for warning in verdict.warnings:
        console.print(f"warning: {warning}", soft_wrap=True)
    for reason in verdict.refused:
        console.print(f"refused: {reason}", soft_wrap=True)
    console.print("REFUSED" if verdict.refused else "PASSED", style="red bold" if verdict.refused else "green bold")


def _tags(title: str, tags: "list[TagDifference]") -> Table:
    table = make_table("tag", "support", "F1 now", "candidate", "difference", title=f"tags that {title}")
    for tag in tags:
        table.add_row(tag.tag, str(tag.support), f"{tag.f1.current:.1f}", f"{tag.f1.candidate:.1f}", _told(tag.f1))
    return table


def _told(difference: "Difference") -> str:
    return f"{difference.points:+.2f} ({difference.low:+.2f} to {difference.high:+.2f})"

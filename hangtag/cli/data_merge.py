"""`hangtag data merge`: deciding which tags mean the same."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hangtag.cli.console import plain_console, printable
from hangtag.cli.data_files import ColumnFile, mapping, read
from hangtag.cli.errors import CommandError
from hangtag.cli.options import ColumnNames, LabelledFiles
from hangtag.cli.trainer_command import trainer_command

if TYPE_CHECKING:
    from hangtag.trainer.data.merges import Merge


def merge(
    files: LabelledFiles,
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="TOML file of the decisions; decisions that it holds are kept.")
    ] = Path("renames.toml"),
    column: ColumnNames = None,
    column_file: ColumnFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Accept every proposal without asking.")] = False,
) -> None:
    """Decide, group by group, which look-alike tags are one tag, and which tags mean no value.

    The decisions are kept in a file, which the other commands read with --column renames=FILE; what is decided is not
    asked again. Change the file to choose another name. Labelled files are never changed.

    Example: hangtag data merge shop.csv --column facet.color=Colour --out renames.toml
    """
    console = plain_console()
    with trainer_command(f"what was decided so far is kept in {out}", out):
        from hangtag.trainer.data.label_balance import balance_of  # noqa: PLC0415
        from hangtag.trainer.data.merges import Decisions, proposed  # noqa: PLC0415
        from hangtag.trainer.files.atomic_file import write_text  # noqa: PLC0415

        decided = Decisions.read(out)
        renames = [f"renames={out}"] if out.exists() else []
        reading = read(files, mapping([*(column or ()), *renames], column_file))
        proposals = list(proposed(balance_of(row.product for row in reading.good), decided))
        out.parent.mkdir(parents=True, exist_ok=True)
        accepted = 0
        for number, each in enumerate(proposals, 1):
            question = f"{number}/{len(proposals)}  {_question(each)}"
            if yes:
                console.print(question, soft_wrap=True)
            if yes or _confirmed(question):
                decided.accept(each)
                accepted += 1
            else:
                decided.refuse(each)
            write_text(out, decided.to_toml())
    if not proposals:
        console.print("nothing to decide: no tags look alike and none seems to mean no value")
    elif accepted:
        console.print(
            f"{accepted:,} of {len(proposals):,} accepted, kept in {out}; use it with --column renames={out}",
            soft_wrap=True,
        )
    else:
        console.print(f"none of {len(proposals):,} accepted; that is kept in {out}", soft_wrap=True)


def _question(merge: "Merge") -> str:
    tags = ", ".join(f"{printable(tag)} ({count:,})" for tag, count in merge.tags.items())
    return f"{tags}: read all as {printable(merge.target)}" if merge.target else f"{tags}: no value, remove the label"


def _confirmed(question: str) -> bool:
    try:
        return typer.confirm(question, default=True, err=not sys.stdout.isatty())
    except typer.Abort:
        msg = "no answer was given: answer in a terminal, or accept every proposal with --yes"
        raise CommandError(msg) from None

"""`hangtag data correct`: putting people's verdicts in place of labels."""

from pathlib import Path
from typing import Annotated

import typer

from hangtag.cli.console import plain_console
from hangtag.cli.data_files import ColumnFile, mapping, read
from hangtag.cli.data_findings import print_notes
from hangtag.cli.options import ColumnNames, LabelledFiles
from hangtag.cli.trainer_command import trainer_command

# Ids in a message.
_SHOWN = 5


def correct(
    files: LabelledFiles,
    verdicts: Annotated[
        list[Path],
        typer.Option(
            metavar="FILE", help="Export of Label Studio (.json), or a table with a column verdict (.csv). Repeatable."
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Labelled file to write: .jsonl or .jsonl.gz.")],
    column: ColumnNames = None,
    column_file: ColumnFile = None,
) -> None:
    """Write labelled files with people's verdicts in place of the labels they are about.

    `hangtag errors` and `hangtag data noise` do not ask about confirmed labels again. The files themselves are never
    changed. Of two verdicts about the same label the last one holds.

    Example: hangtag data correct train.jsonl --verdicts labelstudio.json --out train-corrected.jsonl
    """
    console = plain_console()
    with trainer_command("nothing was written", out):
        from hangtag.trainer.data.corrected import corrected  # noqa: PLC0415
        from hangtag.trainer.data.labelled import refuse  # noqa: PLC0415
        from hangtag.trainer.data.split_files import write_rows  # noqa: PLC0415
        from hangtag.trainer.data.verdicts import read_verdicts  # noqa: PLC0415

        decided = [verdict for path in verdicts for verdict in read_verdicts(path)]
        reading = read(files, mapping(column, column_file))
        refuse(reading.bad)
        found = corrected(reading.good, decided)
        write_rows(out, found.rows, inputs=files)
    console.print(f"{found.changed:,} labels changed, {found.kept:,} confirmed as they are, in {out}", soft_wrap=True)
    if found.different:
        console.print(f"{found.different:,} verdicts differ from an earlier one about the same label; the last holds")
    if found.unknown:
        ids = ", ".join(dict.fromkeys(each.product_id for each in found.unknown[:_SHOWN]))
        more = ", ..." if len(found.unknown) > _SHOWN else ""
        console.print(
            f"{len(found.unknown):,} verdicts are about products that the files lack: {ids}{more}", soft_wrap=True
        )
    print_notes(reading)

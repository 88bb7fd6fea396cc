"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated, Literal

import typer

LabelledFiles = Annotated[
    list[Path],
    typer.Argument(metavar="FILES", help="Labelled JSON, CSV, Excel, XML or Parquet files; text files also as .gz."),
]
ColumnNames = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=COLUMN",
        help="Column of the files that holds a field: title=Name, facet.color=Colour, or class=Path:'>' for a category "
        "path with its separator. Repeatable.",
    ),
]
DataFolder = Annotated[Path, typer.Option(metavar="FOLDER", help="Folder that contains the recipe's files.")]
CoreHourPrice = Annotated[float, typer.Option(metavar="PRICE", min=0, help="Price of one CPU core for one hour.")]
JsonFile = Annotated[Path | None, typer.Option(metavar="FILE", help="Also write all results to this JSON file.")]
JsonOutput = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
WithReview = Annotated[bool, typer.Option("--review", help="Tags in band REVIEW count too.")]
Facets = Annotated[
    list[str] | None,
    typer.Option("--facet", metavar="NAME", help="Only tags of this facet: color. Repeatable."),
]
MaxTags = Annotated[
    int | None, typer.Option(metavar="COUNT", min=1, help="At most this many tags, those with the highest confidence.")
]
BundleName = Annotated[
    str | None,
    typer.Option(metavar="FOLDER", help="Folder of the bundle, or starter. Default: the setting model.bundle."),
]
EngineName = Annotated[
    Literal["auto", "cpu", "torch"] | None,
    typer.Option(
        help="Engine that runs the model; auto: torch if there is CUDA, else cpu. Default: the setting model.engine."
    ),
]

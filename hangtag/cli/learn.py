"""`hangtag learn-tag`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import orjson
import typer

from hangtag.cli.console import plain_console
from hangtag.cli.learnt import print_left_out, print_sample
from hangtag.cli.options import ColumnNames, JsonOutput
from hangtag.cli.trainer_command import trainer_command
from hangtag.tags.tag import facet_of

if TYPE_CHECKING:  # these load numpy
    from hangtag.bundle import Bundle
    from hangtag.tags.schema import FacetKind


def learn_tag(
    tag: Annotated[
        str,
        typer.Argument(
            metavar="FACET:VALUE", help="The new tag; or a facet, to learn every new value in the labels of --examples."
        ),
    ],
    others: Annotated[
        list[Path],
        typer.Option(metavar="FILE", help="Labelled file with products that do not have the tag. Repeatable."),
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder for the new bundle.")],
    examples: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File with at least 8 products of each tag; labels are read only if a facet is given."
        ),
    ] = None,
    description: Annotated[
        str, typer.Option(metavar="TEXT", help="A sentence that describes the tag, instead of --examples.")
    ] = "",
    column: ColumnNames = None,
    bundle: Annotated[str, typer.Option(metavar="FOLDER", help="Bundle to add the tag to, or starter.")] = "starter",
    parent: Annotated[
        str, typer.Option(metavar="FACET:VALUE", help="Tag above the new tag, if its facet has a parent facet.")
    ] = "",
    facet_kind: Annotated[
        Literal["single", "multi"] | None,
        typer.Option(
            help="Of a facet that the bundle lacks: exactly one of its tags fits a product, or any number. A terminal "
            "asks for it."
        ),
    ] = None,
    sample: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="File of products: show which of them would get the tag. Labels are not read."
        ),
    ] = None,
    as_json: JsonOutput = False,
) -> None:
    """Add a tag to a bundle from a few examples, without changing what the model scores for the other tags.

    It says how many of the examples get the tag if the tag is learnt without them, and what more examples would change.

    The encoder stays as it is. In a single facet the new tag competes with the other tags, so their confidences become
    lower for products that have the new tag. From a --description alone the tag is a guess.

    The new tag is never AUTO, only REVIEW: train a model with labels of the tag to have it served.

    Example: hangtag learn-tag color:lilac --examples lilac.jsonl --others shop.jsonl --out bundles/lilac
    """
    if (examples is None) == (not description):
        msg = "give either --examples or --description"
        raise typer.BadParameter(msg)
    if examples is None and ":" not in tag:
        msg = f"a --description describes one tag: give {tag}:VALUE"
        raise typer.BadParameter(msg)
    if bundle != "starter" and Path(bundle).resolve() == out.resolve():
        msg = f"--out {out} is the folder of --bundle, which would be overwritten: choose another folder"
        raise typer.BadParameter(msg)
    console = plain_console(stderr=True)
    with trainer_command("nothing was written", out):
        from hangtag.bundle import load_bundle  # noqa: PLC0415
        from hangtag.trainer.data.labelled import read_labelled  # noqa: PLC0415
        from hangtag.trainer.learning.learn_tag import learn_tags  # noqa: PLC0415
        from hangtag.trainer.learning.left_out import left_out  # noqa: PLC0415
        from hangtag.trainer.learning.reading import lesson_about, lesson_by_description  # noqa: PLC0415
        from hangtag.trainer.learning.sample import sample as sample_of  # noqa: PLC0415
        from hangtag.trainer.recipe.columns import Columns  # noqa: PLC0415

        columns = Columns.read(None, column or ())
        original = load_bundle(bundle)
        kind = _kind(tag, original, facet_kind)
        with console.status("reading files") as status:
            shop = read_labelled([sample], columns.model_copy(update={"labelled": False})) if sample else []
            if examples is None:
                lesson, tried = lesson_by_description(tag, description, original, others, columns, kind, parent), None
            else:
                lesson = lesson_about(tag, original, examples, others, columns, kind, parent)
                tried = left_out(lesson, lambda done, of: status.update(f"learning without some examples  {done}/{of}"))
            status.update("learning")
            manifest = learn_tags(lesson, out, tried)
            status.update("tagging the sample")
            tags = lesson.new.tags
            seen = sample_of(original, load_bundle(out), tags, shop) if sample else None
    if as_json:
        learnt = manifest.metrics["learnt_tags"]
        values = {
            "bundle": str(out),
            "version": manifest.version,
            "tags": {each: learnt[each] for each in tags},
            "sample": seen and seen.to_json(),
        }
        sys.stdout.write(orjson.dumps(values, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    print_left_out(tried)
    if seen is not None:
        print_sample(seen, tags)
    names = f"tag{'s' if len(tags) > 1 else ''} {', '.join(tags)}"
    console.print(f"bundle {out} version {manifest.version[:12]} has the new {names}, in REVIEW only", soft_wrap=True)
    child = next((facet.name for facet in original.schema.facets if facet.parent == lesson.new.facet), None)
    if child is not None:
        console.print(
            f"{tags[0]} is predicted only together with a child of facet {child}; add one with --parent {tags[0]}",
            soft_wrap=True,
        )


def _kind(name: str, bundle: "Bundle", given: str | None) -> "FacetKind | None":
    """The kind of a tag's facet: given, or asked for where the bundle lacks the facet and somebody can answer."""
    from hangtag.tags.schema import FacetKind  # noqa: PLC0415

    facet = facet_of(name) if ":" in name else name
    if given is None and facet not in bundle.schema.slices and sys.stdin.isatty():
        while given not in set(FacetKind):
            given = typer.prompt(f"{facet} is new: does exactly one of its tags fit (single), or any number (multi)?")
    return None if given is None else FacetKind(given)

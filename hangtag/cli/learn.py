"""`hangtag learn-tag`."""

from pathlib import Path
from typing import Annotated

import typer

from hangtag.cli.console import plain_console
from hangtag.cli.options import ColumnNames
from hangtag.cli.trainer_command import trainer_command
from hangtag.tags.tag import value_of


def learn_tag(
    tag: Annotated[str, typer.Argument(metavar="FACET:VALUE", help="The new tag.")],
    others: Annotated[
        list[Path],
        typer.Option(metavar="FILE", help="Labelled file with products that do not have the tag. Repeatable."),
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder for the new bundle.")],
    examples: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File with at least 8 products that have the tag; labels are not read."),
    ] = None,
    description: Annotated[
        str, typer.Option(metavar="TEXT", help="A sentence that describes the tag, instead of --examples.")
    ] = "",
    column: ColumnNames = None,
    bundle: Annotated[str, typer.Option(metavar="FOLDER", help="Bundle to add the tag to, or starter.")] = "starter",
    parent: Annotated[
        str, typer.Option(metavar="FACET:VALUE", help="Tag above the new tag, if its facet has a parent facet.")
    ] = "",
) -> None:
    """Add one tag to a bundle from a few examples, without changing what the model scores for the other tags.

    The encoder stays as it is. In a single facet the new tag competes with the other tags, so their confidences become
    lower for products that have the new tag. From a --description alone the tag is a guess.

    The new tag is never AUTO, only REVIEW: train a model with labels of the tag to have it served.

    Example: hangtag learn-tag color:lilac --examples lilac.jsonl --others shop.jsonl --out bundles/lilac
    """
    if (examples is None) == (not description):
        msg = "give either --examples or --description"
        raise typer.BadParameter(msg)
    if bundle != "starter" and Path(bundle).resolve() == out.resolve():
        msg = f"--out {out} is the folder of --bundle, which would be overwritten: choose another folder"
        raise typer.BadParameter(msg)
    console = plain_console(stderr=True)
    with trainer_command("nothing was written", out):
        from hangtag.bundle import load_bundle  # noqa: PLC0415
        from hangtag.text.product_text import ProductText  # noqa: PLC0415
        from hangtag.trainer.data.labelled import read_labelled  # noqa: PLC0415
        from hangtag.trainer.learning.learn_tag import NewTag  # noqa: PLC0415
        from hangtag.trainer.learning.learn_tag import learn_tag as learn  # noqa: PLC0415
        from hangtag.trainer.recipe.columns import Columns  # noqa: PLC0415

        columns = Columns.read(None, column or ())
        with console.status("reading files") as status:
            new = NewTag(tag, parent, is_guess=examples is None)
            if examples is None:
                value = value_of(tag)
                texts = [ProductText.of(value, description, ""), ProductText.of(value, "", "")]
            else:
                unlabelled = columns.model_copy(update={"labelled": False})
                texts = [product.text for product in read_labelled([examples], unlabelled)]
            without = [product.text for product in read_labelled(others, columns) if tag not in product.tags]
            status.update("learning")
            original = load_bundle(bundle)
            manifest = learn(original, new, texts, without, out)
    console.print(f"bundle {out} version {manifest.version[:12]} has the new tag {tag}, in REVIEW only", soft_wrap=True)
    child = next((facet.name for facet in original.schema.facets if facet.parent == new.facet), None)
    if child is not None:
        console.print(
            f"{tag} is predicted only together with a child of facet {child}; add one with --parent {tag}",
            soft_wrap=True,
        )

"""`hangtag learn-tag`."""

from pathlib import Path
from typing import Annotated

import typer

from hangtag.cli.errors import CommandError
from hangtag.cli.plain_console import plain_console
from hangtag.cli.stopping import Stopped, stopping
from hangtag.tags.tag import value_of


def learn_tag(
    tag: Annotated[str, typer.Argument(help="facet:value")],
    against: Annotated[list[Path], typer.Option(help="labelled file with products that are none; repeat it")],
    out: Annotated[Path, typer.Option(help="where the new bundle goes")],
    examples: Annotated[
        Path | None, typer.Option(help="file with 8 examples or more; it needs no labels, and none are read")
    ] = None,
    description: Annotated[str, typer.Option(help="a sentence that says what it is, instead of examples")] = "",
    column: Annotated[
        list[str] | None, typer.Option(help="where these files keep what: title=Name, facet.color=Farbe; repeat it")
    ] = None,
    bundle: Annotated[str, typer.Option(help="`starter` or a bundle's folder")] = "starter",
    parent: Annotated[str, typer.Option(help="the tag above it, where its facet has a parent")] = "",
) -> None:
    """Add a tag from 8 examples, the encoder frozen; what the model scores for the other tags does not change.

    In a single facet a product that is the new tag has less confidence left for the old ones.

    From --description alone it is a guess by the tag's name and that sentence. Either way the tag is only ever in
    REVIEW: train with it to have it served.

    Example: hangtag learn-tag color:lilac --examples lilac.jsonl --against shop.jsonl --out bundles/lilac
    """
    if (examples is None) == (not description):
        msg = "name either --examples or a --description"
        raise typer.BadParameter(msg)
    if bundle != "starter" and Path(bundle).resolve() == out.resolve():
        msg = f"--out {out} is the bundle itself, of which nothing would be left: name another folder"
        raise typer.BadParameter(msg)
    console = plain_console(stderr=True)
    try:
        from hangtag.trainer.data.columns import Columns, ColumnsError  # noqa: PLC0415
        from hangtag.trainer.data.labelled import LabelledFileError, read_labelled  # noqa: PLC0415
        from hangtag.trainer.learning.learn_tag import LearnTagError, NewTag  # noqa: PLC0415 (scipy loads only here)
        from hangtag.trainer.learning.learn_tag import learn_tag as learn  # noqa: PLC0415
    except ImportError as error:
        msg = f"{error}; learning needs more packages: pip install 'hangtag[train]'"
        raise CommandError(msg) from error
    from hangtag.bundle import load_bundle  # noqa: PLC0415
    from hangtag.text.product_text import ProductText  # noqa: PLC0415

    try:
        columns = Columns.read(None, column or ())
        with stopping(), console.status("reading files") as status:
            new = NewTag(tag, parent, is_guess=examples is None)
            if examples is None:
                value = value_of(tag)
                texts = [ProductText.of(value, description, ""), ProductText.of(value, "", "")]
            else:
                unlabelled = columns.model_copy(update={"labelled": False})
                texts = [product.text for product in read_labelled([examples], unlabelled)]
            others = [product.text for product in read_labelled(against, columns) if tag not in product.tags]
            status.update("learning")
            known = load_bundle(bundle)
            manifest = learn(known, new, texts, others, out)
    except (ColumnsError, LabelledFileError, LearnTagError) as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        msg = f"{error.filename or out}: {error.strerror or error}"
        raise CommandError(msg) from error
    except Stopped:
        console.print("stopped; nothing was written")
        raise typer.Exit(130) from None
    console.print(f"bundle {out} version {manifest.version[:12]} knows {tag}, in REVIEW only", soft_wrap=True)
    below = next((facet.name for facet in known.schema.facets if facet.parent == new.facet), None)
    if below is not None:
        console.print(f"it is told once a {below} stands under it: learn one with --parent {tag}", soft_wrap=True)

"""`hangtag learn-tag`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import orjson
import typer
from rich.console import Console

from hangtag.cli.console import make_table, plain_console, short_title
from hangtag.cli.errors import CommandError
from hangtag.cli.options import ColumnNames, JsonOutput
from hangtag.cli.trainer_command import trainer_command
from hangtag.tags.tag import value_of

if TYPE_CHECKING:  # these load numpy and scipy
    from hangtag.bundle import Bundle
    from hangtag.tags.schema import FacetKind
    from hangtag.trainer.data.labelled import LabelledProduct
    from hangtag.trainer.learning.left_out import LeftOut, TagLeftOut
    from hangtag.trainer.learning.new_tags import NewTags
    from hangtag.trainer.learning.sample import Sample, Tagged

# Of the products that get a tag: the most confident ones, and the least confident ones.
_MOST, _LEAST = 10, 5


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
            help="Of a facet that the bundle lacks: exactly one of its tags fits a product, or any number. Asked for in "
            "a terminal."
        ),
    ] = None,
    sample: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File of products: show which of them would get the tag. Labels are not read."),
    ] = None,
    as_json: JsonOutput = False,
) -> None:
    """Add a tag to a bundle from a few examples, without changing what the model scores for the other tags.

    It says how many of the examples get the tag if the tag is learnt without them, and what more examples would change.

    The encoder stays as it is. In a single facet the new tag competes with the other tags, so their confidences become
    lower for products that have the new tag. From a --description alone the tag is a guess.

    The new tag is never AUTO, only REVIEW: train a model with labels of the tag to have it served.

    Example: hangtag learn-tag color:lilac --examples lilac.jsonl --others shop.jsonl --sample shop.jsonl --out bundles/lilac
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
        from hangtag.tags.tag import facet_of  # noqa: PLC0415
        from hangtag.text.product_text import ProductText  # noqa: PLC0415
        from hangtag.trainer.data.labelled import read_labelled  # noqa: PLC0415
        from hangtag.trainer.learning.learn_tag import learn_tags  # noqa: PLC0415
        from hangtag.trainer.learning.left_out import left_out  # noqa: PLC0415
        from hangtag.trainer.learning.lesson import Lesson  # noqa: PLC0415
        from hangtag.trainer.learning.new_tags import NewTags  # noqa: PLC0415
        from hangtag.trainer.learning.sample import sample as sample_of  # noqa: PLC0415
        from hangtag.trainer.recipe.columns import Columns  # noqa: PLC0415

        columns = Columns.read(None, column or ())
        unlabelled = columns.model_copy(update={"labelled": False})
        original = load_bundle(bundle)
        facet = facet_of(tag) if ":" in tag else tag
        kind = _kind(facet, original, facet_kind)
        with console.status("reading files") as status:
            given = [] if examples is None else read_labelled([examples], columns if ":" not in tag else unlabelled)
            products = [product for product in read_labelled(others, columns) if tag not in product.tags]
            shop = [] if sample is None else read_labelled([sample], unlabelled)
            if ":" in tag:
                new = NewTags(facet, (value_of(tag),), kind, parent, is_guess=examples is None)
                value = value_of(tag)
                texts = [product.text for product in given] or [
                    ProductText.of(value, description, ""),
                    ProductText.of(value, "", ""),
                ]
                pairs = [(text, frozenset({tag})) for text in texts]
            else:
                new = NewTags(facet, _new_values(facet, given, original, examples), kind, parent)
                pairs = [(each.text, each.tags) for each in given if not each.tags.isdisjoint(new.tags)]
                products += [each for each in given if each.tags.isdisjoint(new.tags)]
            without = [each.text for each in products if each.tags.isdisjoint(new.tags)]
            status.update("learning")
            lesson = Lesson.of(original, new, pairs, without)
            tried = None
            if not new.is_guess:
                tried = left_out(
                    lesson, lambda done, of: status.update(f"learning without some of the examples  {done}/{of}")
                )
            manifest = learn_tags(lesson, out, tried)
            status.update("tagging the sample")
            seen = sample_of(original, load_bundle(out), new.tags, shop) if sample is not None else None
    children = [each.name for each in original.schema.facets if each.parent == new.facet]
    if as_json:
        values = {
            "bundle": str(out),
            "version": manifest.version,
            "tags": manifest.metrics["learnt_tags"],
            "needs_child_in": children,
            "sample": seen and seen.to_json(),
        }
        values["tags"] = {each: values["tags"][each] for each in new.tags}
        sys.stdout.write(orjson.dumps(values, option=orjson.OPT_INDENT_2).decode() + "\n")
        return
    _print(new, tried, seen)
    names = ", ".join(new.tags)
    plural = "tags" if len(new.tags) > 1 else "tag"
    console.print(f"bundle {out} version {manifest.version[:12]} has the new {plural} {names}, in REVIEW only", soft_wrap=True)
    for child in children[:1]:
        console.print(
            f"{names} is predicted only together with a child of facet {child}; add one with --parent {new.tags[0]}",
            soft_wrap=True,
        )


def _kind(facet: str, bundle: "Bundle", given: str | None) -> "FacetKind | None":
    """The kind of a facet: given, or asked for where the bundle lacks the facet and somebody is there to answer."""
    from hangtag.tags.schema import FacetKind  # noqa: PLC0415

    if given is None and facet not in bundle.schema.slices and sys.stdin.isatty():
        question = f"{facet} is a new facet. Does exactly one of its tags fit a product (single), or any number (multi)?"
        while given not in {"single", "multi"}:
            given = typer.prompt(question, err=True)
    return None if given is None else FacetKind(given)


def _new_values(
    facet: str, examples: "list[LabelledProduct]", bundle: "Bundle", file: Path | None
) -> tuple[str, ...]:
    """The values of a facet that examples are labelled with and the bundle lacks."""
    known = bundle.schema.index
    tags = sorted({tag for product in examples for tag in product.tags_of(facet)} - set(known))
    if not tags:
        msg = f"{file}: no product is labelled with a new value of {facet}; name its column with --column facet.{facet}=COLUMN"
        raise CommandError(msg)
    return tuple(map(value_of, tags))


def _print(new: "NewTags", tried: "LeftOut | None", seen: "Sample | None") -> None:
    console = plain_console()
    if tried is not None:
        for tag, each in tried.tags.items():
            _print_left_out(console, tag, each)
    else:
        console.print("a guess from a name and a sentence: only --examples can show how often it is right", soft_wrap=True)
    if seen is None:
        return
    share = f" drawn from {seen.of:,}" if seen.products < seen.of else ""
    for tag in new.tags:
        its = [each for each in seen.tagged if each.found.tag == tag]
        console.print(f"{len(its):,} of {seen.products:,} products{share} would get {tag}", soft_wrap=True)
        if its:
            console.print(_table(its))


def _print_left_out(console: Console, tag: str, each: "TagLeftOut") -> None:
    console.print(
        f"{tag}: learnt without them, {each.found} of {each.examples} examples get the tag (at least "
        f"{each.at_least:.0%} of all such products, at 95 % confidence), and {each.wrong} of {each.others} other "
        "products do",
        soft_wrap=True,
    )
    more = f"with {each.examples} more examples about {each.with_twice:.0%} would"
    if each.found == each.examples:
        more = "more examples would not raise this, but show it with more certainty"
    elif each.with_twice <= each.found / each.examples:
        more = "more examples like these would hardly help"
    console.print(f"{tag}: with half of the examples {each.found_with_half} get it; {more}", soft_wrap=True)


def _table(found: "list[Tagged]") -> object:
    shown = found if len(found) <= _MOST + _LEAST else [*found[:_MOST], *found[-_LEAST:]]
    table = make_table("confidence", "band", "instead of", "title")
    for at, each in enumerate(shown):
        if at == _MOST and len(found) > len(shown):
            table.add_row("...", "", "", f"{len(found) - len(shown):,} more")
        its = (f"{each.found.confidence:.2f}", each.found.band.value, ", ".join(map(value_of, each.instead_of)))
        table.add_row(*its, short_title(each.product.title))
    return table

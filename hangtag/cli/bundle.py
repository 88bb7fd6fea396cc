"""`hangtag bundle`: commands for bundle folders."""

from pathlib import Path
from typing import Annotated

import typer

from hangtag.cli.bundle_export import card, export
from hangtag.cli.console import make_table, plain_console
from hangtag.cli.errors import CommandError
from hangtag.cli.help_text import help_text
from hangtag.cli.options import ColumnNames
from hangtag.cli.trainer_command import trainer_command

bundle = typer.Typer(
    no_args_is_help=True, help="Convert and export bundles, describe their tags, set their thresholds again."
)


def upgrade(folder: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder of the bundle.")]) -> None:
    """Convert a bundle of format 1 to the current format, in place.

    Weights, tokenizer and tag schema stay the same to the byte, and so do the answers; the version changes. A bundle of
    the current format is left as it is.

    Example: hangtag bundle upgrade bundles/shop
    """
    from hangtag.bundle import upgrade_bundle  # noqa: PLC0415

    try:
        manifest = upgrade_bundle(folder)
    except OSError as error:
        msg = f"{error.filename or folder}: {error.strerror or error}"
        raise CommandError(msg) from error
    plain_console().print(f"{folder} has format {manifest.format}, version {manifest.version[:12]}", soft_wrap=True)


def describe(
    folder: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder of the bundle.")],
    descriptions: Annotated[Path, typer.Argument(metavar="FILE", help="TOML file with tables about facets and tags.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder for the new bundle. Default: the bundle's own.")
    ] = None,
) -> None:
    """Give the facets and tags of a bundle labels, descriptions, synonyms, examples and codes, without training.

    Answers and version stay the same. `hangtag schema` and `hangtag taglist` show what was written.

    Example: hangtag bundle describe bundles/shop labels.toml
    """
    from hangtag.bundle import describe_bundle  # noqa: PLC0415
    from hangtag.settings.toml import TomlError, parse_toml  # noqa: PLC0415

    try:
        found = parse_toml(descriptions.read_bytes())
        unknown = sorted(set(found) - {"about", "sensitive"})
        if unknown:
            msg = f'{descriptions}: {unknown[0]!r} is not known; write tables [about."color:red"] and a list sensitive'
            raise CommandError(msg)
        manifest = describe_bundle(folder, out or folder, found.get("about", {}), found.get("sensitive", ()))
    except TomlError as error:
        msg = f"{descriptions}: not valid TOML: {error}"
        raise CommandError(msg) from error
    except OSError as error:
        msg = f"{error.filename or folder}: {error.strerror or error}"
        raise CommandError(msg) from error
    plain_console().print(f"{out or folder} has version {manifest.version[:12]}, as before", soft_wrap=True)


def thresholds(
    folder: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder of the bundle.")],
    validation: Annotated[
        list[Path],
        typer.Option(metavar="FILE", help="Labelled file that the bundle was not trained on. Repeatable."),
    ],
    train: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Labelled file for learning attributes' words. Default: --validation."),
    ] = None,
    shops: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="CSV file with product_id and shop. Default: the column shop of the files."),
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Recipe with the settings of thresholds. Default: the bundle's.")
    ] = None,
    column: ColumnNames = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder for the new bundle. Default: the bundle's own.")
    ] = None,
) -> None:
    """Set a bundle's calibration and thresholds again on labelled products, without training.

    Weights, tokenizer and tag schema stay the same to the byte; the version changes. Use it when products have changed,
    for another promise (auto_precision in a recipe), or to have the promise shown on other shops.

    Example: hangtag bundle thresholds bundles/shop --validation validation.jsonl --train train.jsonl
    """
    console = plain_console(stderr=True)
    with trainer_command("the bundle was not changed", out or folder):
        from hangtag.trainer.data.labelled import read_labelled  # noqa: PLC0415
        from hangtag.trainer.data.shops import read_shops, with_shops  # noqa: PLC0415
        from hangtag.trainer.recipe.columns import Columns  # noqa: PLC0415
        from hangtag.trainer.recipe.recipe import Recipe  # noqa: PLC0415
        from hangtag.trainer.releasing.thresholds import set_thresholds  # noqa: PLC0415

        columns = Columns.read(None, column or ())
        settings = None if recipe is None else Recipe.from_file(recipe)
        with console.status("Reading") as status:
            products = read_labelled(validation, columns)
            if shops is not None:
                products = with_shops(products, read_shops(shops))
            training = read_labelled(train, columns) if train else products
            manifest, evaluation = set_thresholds(folder, out or folder, products, training, settings, status.update)
    table = make_table("facet", "products", "AUTO coverage", "AUTO precision", "unseen: coverage", "unseen: precision")
    for name, facet in evaluation.facets.items():
        unseen = manifest.metrics["cross_fitted"][name]
        table.add_row(
            name,
            f"{facet.support:,}",
            f"{facet.auto_coverage:.1%}",
            f"{facet.auto_precision:.1%}" if facet.auto_coverage else "-",
            f"{unseen['coverage']:.1%}",
            "-" if unseen["precision"] is None else f"{unseen['precision']:.1%}",
        )
    plain_console().print(table)
    plain_console().print(f"{out or folder} has version {manifest.version[:12]}", soft_wrap=True)


bundle.command(help=help_text(upgrade))(upgrade)
bundle.command(help=help_text(describe))(describe)
bundle.command(help=help_text(thresholds))(thresholds)
bundle.command(help=help_text(export))(export)
bundle.command(help=help_text(card))(card)

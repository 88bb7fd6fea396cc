"""`hangtag show`: what a bundle predicts, promises and was made with."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hangtag.cli.console import make_table, plain_console
from hangtag.cli.errors import CommandError
from hangtag.cli.options import JsonOutput

if TYPE_CHECKING:  # loads numpy
    from hangtag.bundle import Bundle
    from hangtag.tags.schema import Facet

_OWN, _SHARED = "own promise", "shared promise"
_STANDINGS = (_OWN, _SHARED, "never seen in validation", "no promise")


def show(
    folder: Annotated[str, typer.Argument(metavar="BUNDLE", help="Folder of the bundle, or starter.")],
    facet: Annotated[
        str | None, typer.Option(metavar="NAME", help="Show the values of this facet, with thresholds and promises.")
    ] = None,
    as_json: JsonOutput = False,
) -> None:
    """Show a bundle: facets, promises, quality on its validation products, sizes and settings.

    Example: hangtag show bundles/shop --facet color
    """
    from hangtag.bundle import STARTER, load_bundle  # noqa: PLC0415
    from hangtag.cli.show import print_json  # noqa: PLC0415

    bundle = load_bundle(folder)
    place = STARTER if folder == "starter" else Path(folder)
    names = {each.name: each for each in bundle.schema.facets}
    if facet is not None and facet not in names:
        msg = f"the bundle has no facet {facet!r}; its facets are {', '.join(names)}"
        raise CommandError(msg)
    summary = _summary(bundle, place)
    if as_json:
        values = {} if facet is None else {"values": _values(bundle, names[facet])}
        print_json(summary | values)
    elif facet is None:
        _print(summary)
    else:
        table = make_table("value", "AUTO from", "REVIEW from", "standing", "products", title=facet)
        for each in _values(bundle, names[facet]):
            thresholds = ("never" if each[name] is None else str(each[name]) for name in ("auto", "review"))
            table.add_row(each["value"], *thresholds, *(str(each[name] or "") for name in ("standing", "products")))
        plain_console().print(table)


def _summary(bundle: "Bundle", folder: Path) -> dict[str, Any]:
    manifest, metrics = bundle.manifest, bundle.manifest.metrics
    sizes = {name: (folder / name).stat().st_size for name in manifest.files}
    promise = metrics.get("promise", {})
    return {
        "name": manifest.name,
        "version": manifest.version,
        "created": manifest.created,
        "base_model": manifest.base_model,
        "data_fingerprint": manifest.data_fingerprint,
        "encoder": manifest.encoder.model_dump(),
        "has_wide_part": bundle.weights.wide is not None,
        "bytes": sizes,
        "promise": {name: promise.get(name) for name in ("precision", "confidence", "set_on")},
        "facets": [_facet(bundle, each) for each in bundle.schema.facets],
        "rules": len(bundle.schema.rules),
        "blocked": list(bundle.schema.blocked),
        "recipe": manifest.recipe,
    }


def _facet(bundle: "Bundle", facet: "Facet") -> dict[str, Any]:
    from hangtag.tags.reach import can_be_auto  # noqa: PLC0415
    from hangtag.text.kind import TextKind  # noqa: PLC0415

    metrics = bundle.manifest.metrics
    reachable = can_be_auto(bundle.schema, bundle.thresholds.entry(TextKind.PRODUCT))
    figures = metrics.get("validation", {}).get(facet.name, {})
    unseen = metrics.get("cross_fitted", {}).get(facet.name, {})
    return {
        "facet": facet.name,
        "kind": facet.kind.value,
        "parent": facet.parent,
        "applies_when": list(facet.applies_when),
        "values": len(facet.values),
        "auto": sum(tag in reachable for tag in facet.tags),
        "standings": dict(Counter(each["standing"] for each in _values(bundle, facet) if each["standing"])),
        "f1": figures.get("weighted_f1" if facet.kind.value == "single" else "micro_f1"),
        "auto_coverage": unseen.get("coverage", figures.get("auto_coverage")),
        "auto_precision": unseen.get("precision"),
    }


def _values(bundle: "Bundle", facet: "Facet") -> list[dict[str, Any]]:
    """Each value with its thresholds (None: never) and what its promise rests on, where the manifest says so.

    Bundles from before standings were recorded say it of tags with a promise only.
    """
    from hangtag.text.kind import TextKind  # noqa: PLC0415

    thresholds = bundle.thresholds.entry(TextKind.PRODUCT).tags
    promise = bundle.manifest.metrics.get("promise", {})
    promised = {tag: _SHARED if each["pooled"] else _OWN for tag, each in promise.get("tags", {}).items()}
    standings = promise.get("standings", {})
    return [
        {
            "value": value,
            "auto": _reached(thresholds[tag].auto),
            "review": _reached(thresholds[tag].review),
            "standing": standings.get(tag, {}).get("standing", promised.get(tag)),
            "products": standings.get(tag, {}).get("products"),
        }
        for value, tag in zip(facet.values, facet.tags, strict=True)
    ]


def _reached(threshold: float) -> float | None:
    return round(threshold, 4) if threshold <= 1 else None


def _print(summary: dict[str, Any]) -> None:
    console = plain_console()
    encoder, promise = summary["encoder"], summary["promise"]
    console.print(f"{summary['name']}, version {summary['version']}, created {summary['created']}", soft_wrap=True)
    console.print(
        f"base model {summary['base_model']}; {encoder['layers']} layers of size {encoder['hidden']}, "
        f"{encoder['max_tokens']} tokens, int8{', with a wide part' if summary['has_wide_part'] else ''}; "
        f"{sum(summary['bytes'].values()) / 1e6:.1f} MB",
        soft_wrap=True,
    )
    if promise["precision"] is None:
        console.print("it makes no promise about its AUTO tags")
    else:
        set_on = "" if promise["set_on"] is None else f", set on {promise['set_on']:,} products"
        console.print(
            f"AUTO tags are right with a probability of at least {promise['precision']:.0%}, at a confidence level of "
            f"{promise['confidence']:.0%}{set_on}",
            soft_wrap=True,
        )
    headers = ("facet", "kind", "values", "can be AUTO", *_STANDINGS, "F1", "unseen: AUTO", "unseen: right")
    table = make_table(*headers)
    for each in summary["facets"]:
        standings = (str(each["standings"].get(name, 0)) if each["standings"] else "" for name in _STANDINGS)
        shares = (_percent(each[name]) for name in ("f1", "auto_coverage", "auto_precision"))
        name = f"{each['facet']} (under {each['parent']})" if each["parent"] else each["facet"]
        table.add_row(name, each["kind"], str(each["values"]), str(each["auto"]), *standings, *shares)
    console.print(table)
    console.print(
        f"{summary['rules']} rules, {len(summary['blocked'])} blocked tags; `--json` has the recipe and every size"
    )


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"

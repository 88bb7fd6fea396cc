"""`hangtag schema`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from hangtag.cli.errors import CommandError
from hangtag.cli.options import BundleName, JsonOutput

if TYPE_CHECKING:  # loads numpy
    from hangtag.bundle import Bundle


def schema(
    facet: Annotated[
        str | None, typer.Argument(metavar="FACET", help="Show the values of this facet. Default: all facets.")
    ] = None,
    bundle: BundleName = None,
    as_json: JsonOutput = False,
) -> None:
    """List the facets of a bundle, or the values of one facet, and which of them can be AUTO for products.

    Example: hangtag schema color
    """
    from hangtag.bundle import load_bundle  # noqa: PLC0415
    from hangtag.cli.show import print_json  # noqa: PLC0415
    from hangtag.settings import load_settings  # noqa: PLC0415

    loaded = load_bundle(bundle or load_settings().model.bundle)
    found = facets_of(loaded)
    if facet is not None:
        found = [each for each in found if each["facet"] == facet]
        if not found:
            known = ", ".join(each.name for each in loaded.schema.facets)
            msg = f"the bundle has no facet {facet!r}; its facets are {known}"
            raise CommandError(msg)
    if as_json:
        print_json({"bundle_version": loaded.version, "facets": found})
        return
    _print(found, with_values=facet is not None)


def facets_of(bundle: "Bundle") -> list[dict[str, Any]]:
    """Every facet with its values; thresholds above 1 are never reached and are None."""
    from hangtag.tags.reach import can_be_auto  # noqa: PLC0415
    from hangtag.tags.tag import value_of  # noqa: PLC0415
    from hangtag.text.kind import TextKind  # noqa: PLC0415

    thresholds = bundle.thresholds.entry(TextKind.PRODUCT)
    reachable = can_be_auto(bundle.schema, thresholds)
    found = []
    for facet in bundle.schema.facets:
        values = [
            {
                "value": value_of(tag),
                "parents": [value_of(above) for above in bundle.schema.parents.get(tag, ())],
                "auto_from": thresholds.tags[tag].auto if tag in reachable else None,
                "review_from": each if (each := thresholds.tags[tag].review) <= 1 else None,
                "is_sensitive": tag in bundle.schema.sensitive_tags,
                **_described(bundle, tag),
            }
            for tag in facet.tags
        ]
        found.append(
            {
                "facet": facet.name,
                "kind": facet.kind.value,
                "parent": facet.parent,
                "applies_when": list(facet.applies_when),
                "is_sensitive": bundle.schema.sensitive_tags.issuperset(facet.tags),
                **_described(bundle, facet.name),
                "values": values,
            }
        )
    return found


def _described(bundle: "Bundle", name: str) -> dict[str, Any]:
    """What the schema says about a facet or a tag to people: only what is set."""
    about = bundle.schema.about.get(name)
    return {} if about is None else about.model_dump(exclude_defaults=True)


def _print(facets: list[dict[str, Any]], *, with_values: bool) -> None:
    from hangtag.cli.console import make_table, plain_console  # noqa: PLC0415

    console = plain_console()
    table = make_table("facet", "kind", "values", "can be AUTO", "under", "only with")
    for facet in facets:
        served = sum(value["auto_from"] is not None for value in facet["values"])
        counts = (str(len(facet["values"])), str(served) if served else "never")
        conditions = ", ".join(facet["applies_when"])
        table.add_row(facet["facet"], facet["kind"], *counts, facet["parent"] or "", conditions)
    console.print(table)
    if not with_values:
        return
    for facet in facets:
        has_parents = facet["parent"] is not None
        shown = [name for name in ("label", "synonyms", "codes") if any(name in value for value in facet["values"])]
        under = [f"under {facet['parent']}"] if has_parents else []
        table = make_table("value", "AUTO from", "REVIEW from", *under, *shown)
        for value in facet["values"]:
            confidences = (
                "never" if each is None else f"{each:.2f}" for each in (value["auto_from"], value["review_from"])
            )
            parents = [", ".join(value["parents"])] if has_parents else []
            table.add_row(value["value"], *confidences, *parents, *(_words(value.get(name)) for name in shown))
        console.print(table)


def _shown(confidence: float | None) -> str:
    return "never" if confidence is None else f"{confidence:.2f}"


def _words(described: Any) -> str:
    if isinstance(described, dict):
        return ", ".join(f"{name} {code}" for name, code in described.items())
    return described if isinstance(described, str) else ", ".join(described or ())

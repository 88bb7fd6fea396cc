"""The model card of a bundle: what it is for, what it promises, and where it ends."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from hangtag.bundle import Bundle
from hangtag.tags.reach import can_be_auto
from hangtag.tags.schema import Facet, FacetKind
from hangtag.text.kind import TextKind

NO_LICENCE = "not stated"


def card_of(bundle: Bundle, *, licence: str = NO_LICENCE, intended_use: str = "") -> str:
    """The card in Markdown, from the bundle's manifest.

    `licence` and `intended_use` are for what only its owner knows; without a use, the card describes the usual one.
    """
    environment = Environment(
        loader=PackageLoader("hangtag.trainer", "exporting"),
        autoescape=False,  # noqa: S701 (Markdown, not HTML)
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = _percent
    metrics = bundle.manifest.metrics
    return environment.get_template("card.md.j2").render(
        manifest=bundle.manifest,
        licence=licence,
        intended_use=intended_use,
        facets=[_facet(bundle, facet) for facet in bundle.schema.facets],
        slices=metrics.get("slices", {}),
        promise=metrics.get("promise"),
        queries=_promised(metrics.get("queries", {})),
        languages=bundle.thresholds.entry(TextKind.PRODUCT).languages,
        files=[name for source in bundle.manifest.recipe.get("sources", []) for name in source.get("train", [])],
        blocked=sorted(bundle.schema.blocked),
        has_wide_part=bundle.weights.wide is not None,
        megabytes=_megabytes(bundle),
    )


def _facet(bundle: Bundle, facet: Facet) -> dict[str, Any]:
    metrics = bundle.manifest.metrics
    figures = metrics.get("validation", {}).get(facet.name)
    is_single = facet.kind is FacetKind.SINGLE
    reachable = can_be_auto(bundle.schema, bundle.thresholds.entry(TextKind.PRODUCT))
    return {
        "name": facet.name,
        "fits": "one" if is_single else "any number",
        "tags": len(facet.tags),
        "auto": sum(tag in reachable for tag in facet.tags),
        "products": figures and figures["support"],
        "f1": figures and figures["weighted_f1" if is_single else "micro_f1"],
        "macro_f1": figures and figures["macro_f1"],
        "unseen": metrics.get("cross_fitted", {}).get(facet.name),
    }


def _promised(queries: Mapping[str, Any]) -> Mapping[str, Any] | None:
    promise: Mapping[str, Any] | None = queries.get("promise")
    return promise


def _megabytes(bundle: Bundle) -> float:
    """Of the weights as they are stored, roughly: int8 matrices, float32 for the rest."""
    weights = bundle.weights
    matrices = sum(
        linear.values.nbytes
        for layer in weights.layers
        for linear in (
            layer.query,
            layer.key,
            layer.value,
            layer.attention_output,
            layer.intermediate,
            layer.output,
        )
    )
    return (matrices + weights.words.values.nbytes + weights.positions.nbytes + weights.head_weight.nbytes) / 1e6


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"

"""The page with all cases: one HTML file that filters them by itself."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from hangtag.bundle import Manifest
from hangtag.tags.tag import value_of
from hangtag.trainer.judging.slices import Slice, SliceBy
from hangtag.trainer.mistakes.case import Case, CaseKind
from hangtag.trainer.reporting.embedded import embedded

# Of a description; the file has the rest.
_DESCRIPTION = 600
_PAIRS = 15
_SLICES = 20


def page_of(
    manifest: Manifest,
    cases: Sequence[Case],
    slices: Mapping[SliceBy, Sequence[Slice]],
    products: int,
    *,
    with_texts: bool,
) -> str:
    """Render the HTML for the cases among so many validation `products`. Style, script and data are embedded."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader("hangtag.trainer", room) for room in ("mistakes", "reporting")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    kinds = Counter(case.kind for case in cases)
    pairs = Counter((case.facet, case.pair) for case in cases if case.pair is not None)
    return environment.get_template("mistakes.html.j2").render(
        manifest=manifest,
        products=products,
        with_texts=with_texts,
        written=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        kinds={kind: kinds[kind] for kind in CaseKind},
        pairs=[(facet, *map(value_of, pair), count) for (facet, pair), count in pairs.most_common(_PAIRS) if pair],
        slices={by.value: list(found)[:_SLICES] for by, found in slices.items() if found},
        all_slices={by.value: len(found) for by, found in slices.items()},
        data=embedded(_data(cases, with_texts=with_texts)),
    )


def _data(cases: Sequence[Case], *, with_texts: bool) -> dict[str, Any]:
    products: dict[int, dict[str, str]] = {}
    for case in cases:
        if case.row not in products:
            products[case.row] = _product(case, with_texts=with_texts)
    places = {row: place for place, row in enumerate(products)}
    return {"products": list(products.values()), "cases": [_case(case, places[case.row], with_texts) for case in cases]}


def _product(case: Case, *, with_texts: bool) -> dict[str, str]:
    product = case.product
    found = {"id": product.product_id, "shop": product.shop, "language": case.language, "source": case.source}
    if with_texts:
        found |= {
            "title": product.title,
            "description": product.description[:_DESCRIPTION],
            "category": product.merchant_category,
        }
    return found


def _case(case: Case, place: int, with_texts: bool) -> dict[str, Any]:
    return {
        "product": place,
        "facet": case.facet,
        "kind": case.kind.value,
        "band": case.band.value,
        "confidence": round(case.confidence, 4),
        "labels": [value_of(tag) for tag in case.labels],
        "predicted": [value_of(tag) for tag in case.predicted],
        "candidates": [[value_of(each.tag), round(each.confidence, 4), each.band.value] for each in case.candidates],
        "nearest": [
            [
                each.product_id,
                each.title if with_texts else "",
                [value_of(tag) for tag in each.labels],
                round(each.similarity, 2),
            ]
            for each in case.neighbours
        ],
    }

"""Labelled rows with the verdicts of people in place of their labels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from hangtag.trainer.data.labelled import CONFIRMED, LabelledRow
from hangtag.trainer.data.rows_on_disk import reading_on_disk
from hangtag.trainer.data.verdicts import Verdict


@dataclass(frozen=True, slots=True)
class Corrected:
    """The rows in their order, and what became of the verdicts.

    `changed` labels became others, `kept` were confirmed as they are; `unknown` are verdicts of products that no row
    has. `different` are verdicts about the same product and facet that do not agree: the last one holds.
    """

    rows: Sequence[LabelledRow]
    changed: int
    kept: int
    unknown: Sequence[Verdict]
    different: int


def corrected(rows: Sequence[LabelledRow], verdicts: Iterable[Verdict]) -> Corrected:
    """Apply the verdicts: their facets count as labelled and as confirmed, so that nobody is asked again.

    The rows are read in order, and the result is kept on disk.
    """
    by_product: dict[str, dict[str, Verdict]] = {}
    different = 0
    for verdict in verdicts:
        before = by_product.setdefault(verdict.product_id, {}).get(verdict.facet)
        different += before is not None and before.tags != verdict.tags
        by_product[verdict.product_id][verdict.facet] = verdict
    changed = kept = 0
    result = reading_on_disk().good
    seen = set()
    for row in rows:
        its = by_product.get(row.product.product_id)
        if its is None:
            result.append(row)
            continue
        seen.add(row.product.product_id)
        product = row.product
        for facet, verdict in its.items():
            is_same = facet in product.facets and product.tags_of(facet) == verdict.tags
            kept, changed = kept + is_same, changed + (not is_same)
            product = replace(
                product,
                facets=product.facets | {facet},
                tags=(product.tags - product.tags_of(facet)) | verdict.tags,
                confirmed=product.confirmed | {facet},
            )
        result.append(replace(row, product=product, others={**row.others, CONFIRMED: sorted(product.confirmed)}))
    unknown = [each for name, its in by_product.items() if name not in seen for each in its.values()]
    return Corrected(result, changed, kept, unknown, different)

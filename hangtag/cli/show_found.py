"""Products that were found, questions and lists of tags, as tables."""

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hangtag.cli.show import NO_TAGS, span_note
from hangtag.v1 import tags_pb2

_USES = {
    tags_pb2.TAG_USE_FILTERED: "filters",
    tags_pb2.TAG_USE_RANKED: "ranks",
    tags_pb2.TAG_USE_EXCLUDED: "left out",
}
_ENDS = {
    tags_pb2.CLARIFY_END_FEW_PRODUCTS: "so few products are left that showing them helps more",
    tags_pb2.CLARIFY_END_NOTHING_DIVIDES: "no facet divides the products that are left well enough",
    tags_pb2.CLARIFY_END_NO_PRODUCTS: "no product is left",
}


def print_found(console: Console, found: tags_pb2.FindProductsResponse) -> None:
    """How the text was understood, the products, the counts, and how fresh the index is."""
    for note in _notes(found):
        console.print(note, soft_wrap=True)
    if found.products:
        table = Table("product", "score", "matched")
        for product in found.products:
            matched = ", ".join(f"{tag.facet}:{tag.value} {tag.confidence:.2f}" for tag in product.matched)
            table.add_row(Text(product.product_id), f"{product.score:.3f}", Text(matched))
        console.print(table)
    sampled = " (ranked by a sample)" if found.is_sampled else ""
    wide = ", tags in REVIEW included" if found.min_band == tags_pb2.BAND_REVIEW else ""
    console.print(f"{_count(found.total)}{sampled}{_state(found.index)}{wide}", soft_wrap=True, markup=False)
    for each in found.relaxations:
        without = " ".join(f"{tag.facet}:{tag.value}" for tag in each.without)
        console.print(f"without {without}: {_count(each.products)}", soft_wrap=True, markup=False)
    for facet in (each for each in found.facets if each.values):
        counts = Table(facet.facet, "products")
        for value in facet.values:
            counts.add_row(Text(value.value), f"{value.products:,}")
        if len(facet.values) < facet.distinct_values:
            counts.add_row(Text(f"and {facet.distinct_values - len(facet.values)} more", style="dim"), "")
        console.print(counts)
    if found.next_page_token:
        console.print(f"next page: --page {found.next_page_token}", soft_wrap=True, markup=False)


def print_question(console: Console, reply: tags_pb2.ClarifyResponse) -> None:
    """The question with its answers, or why there is none."""
    for note in _notes(reply):
        console.print(note, soft_wrap=True)
    if not reply.facet:
        reason = _ENDS.get(reply.end, "there is no question")
        console.print(f"No question: {reason} ({_count(reply.candidates)})", soft_wrap=True, markup=False)
        return
    console.print(Text(reply.question, style="bold"))
    table = Table("answer", f"{reply.facet}", "products")
    for choice in reply.choices:
        table.add_row(Text(choice.label), Text(choice.value), f"{choice.products:,}")
    console.print(table)
    console.print(
        f"{_count(reply.candidates)} now, about {reply.expected_candidates:,.0f} after the answer", soft_wrap=True
    )


def similar_table(found: Iterable[tuple[str, tags_pb2.SimilarProductsResponse]]) -> Table:
    """Products that are like each of some products, and the tags that they share."""
    table = Table("product", "similar", "score", "shared")
    for product_id, reply in found:
        for place, each in enumerate(reply.products):
            shared = ", ".join(f"{tag.facet}:{tag.value}" for tag in each.shared)
            table.add_row(Text("" if place else product_id), Text(each.product_id), f"{each.score:.3f}", Text(shared))
        if not reply.products:
            table.add_row(Text(product_id), Text("none", style="dim"), "", "")
        table.add_section()
    return table


def facets_table(found: tags_pb2.ListTagsResponse) -> Table:
    """Facets with the number of their tags."""
    table = Table("facet", "label", "kind", "tags", "under", "only with")
    for facet in found.facets:
        kind = "multi" if facet.is_multi else "single"
        only_with = ", ".join(f"{tag.facet}:{tag.value}" for tag in facet.applies_with)
        table.add_row(
            Text(facet.facet), Text(facet.label), kind, str(len(facet.tags)), facet.parent_facet, Text(only_with)
        )
    return table


def tags_table(facet: tags_pb2.FacetInfo) -> Table:
    """The tags of a facet."""
    has_parents = bool(facet.parent_facet)
    under = [f"under {facet.parent_facet}"] if has_parents else []
    table = Table(facet.facet, "label", "products", "in review", "AUTO from", *under, "other words")
    for tag in facet.tags:
        counts = (f"{getattr(tag, name):,}" if tag.HasField(name) else "-" for name in ("products", "review_products"))
        auto = "blocked" if tag.is_blocked else f"{tag.auto_from:.2f}" if tag.HasField("auto_from") else "never"
        parents = [Text(", ".join(each.value for each in tag.parents))] if has_parents else []
        table.add_row(Text(tag.value), Text(tag.label), *counts, auto, *parents, Text(", ".join(tag.synonyms)))
    return table


def _notes(reply: tags_pb2.FindProductsResponse | tags_pb2.ClarifyResponse) -> Iterator[Text]:
    """How the text was understood."""
    if reply.understood_text:
        yield Text(f"read as: {reply.understood_text}")
    if reply.language:
        yield Text(f"language: {reply.language}")
    for use, what in _USES.items():
        tags = ", ".join(f"{each.tag.facet}:{each.tag.value}" for each in reply.used if each.use == use)
        if tags:
            yield Text(f"{what}: {tags}")
    for span in reply.spans:
        yield Text(span_note(span))
    if reply.no_tags_reason in NO_TAGS:
        yield Text(f"no tag of the text: {NO_TAGS[reply.no_tags_reason]}", style="yellow")


def _count(products: int) -> str:
    return "1 product" if products == 1 else f"{products:,} products"


def _state(index: tags_pb2.IndexState) -> str:
    if not index.HasField("as_of"):
        return ""
    behind = f", {index.lag_records:,} records behind" if index.lag_records else ""
    return f" of {index.products:,}, as of {index.as_of.ToDatetime():%H:%M:%S} UTC{behind}"

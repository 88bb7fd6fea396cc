"""Exports of shop systems, recognised by the names of their columns: which column holds what."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hangtag.trainer.recipe.columns import Columns

_NOT_ESCAPED_COMMA = re.compile(r"(?<!\\),")
_ATTRIBUTE = re.compile(r"Attribute \d+ name")
_CATEGORIES = "Categories"
_GENDER, _AGE, _COLOR = "audience", "age_group", "color"


@dataclass(frozen=True, slots=True)
class Feed:
    """A shop system's export.

    `needed` are columns that it always has. `texts` are the columns of Hangtag's fields, `paths` those that may hold a
    category path, the best first, and `facets` those of further labels. A row whose cell in `own` is empty, or not one
    of `own_values`, is a variant or an image of a product in another row.
    """

    name: str
    needed: frozenset[str]
    texts: Mapping[str, str]
    paths: tuple[str, ...]
    facets: Mapping[str, str]
    separators: Mapping[str, str] = field(default_factory=dict)
    own: str = ""
    own_values: frozenset[str] = frozenset()

    @property
    def has_attributes(self) -> bool:
        """Whether rows name columns of their own, in pairs of cells (`Attribute 1 name`)."""
        return _CATEGORIES in self.paths

    def columns(self, names: Iterable[str], columns: Columns, *, are_all: bool) -> Columns:
        """The mapping of a file with these columns; what `columns` maps itself stays as it is.

        Unless they `are_all`, as in a table, other rows may have further ones.
        """
        known = set(names)
        # What the user mapped stays, and so does a column with a field's own name.
        open_fields = {name for name in self.texts if getattr(columns, name) == name and name not in known}
        changes: dict[str, Any] = {
            name: column for name, column in self.texts.items() if name in open_fields and column in known
        }
        if columns.labelled and not columns.has_label_columns and not {columns.facets, columns.tags} <= known:
            path = next((name for name in self.paths if name in known), None)
            facets = {facet: column for facet, column in self.facets.items() if column in known or not are_all}
            changes["path"] = {"class": path} if path else {}
            changes["facet"] = facets
            changes["separators"] = {name: each for name, each in self.separators.items() if name in facets}
            if path and changes.get("merchant_category") == path:
                # A label must not be part of the text that it is learned from.
                del changes["merchant_category"]
        return columns.model_copy(update=changes)

    def fields(self, fields: Mapping[str, Any]) -> dict[str, Any] | None:
        """The row's fields, with attributes and categories taken apart; None if it is no product of its own."""
        own = str(fields.get(self.own) or "").strip()
        if self.own and (not own or (self.own_values and own.split(",")[0] not in self.own_values)):
            return None
        result = dict(fields)
        for name in fields:
            if _ATTRIBUTE.fullmatch(name) and (attribute := str(fields[name] or "").strip()):
                values = fields.get(f"{name.removesuffix('name')}value(s)")
                result.setdefault(attribute, "|".join(_split(values)))
        if self.has_attributes:
            # Several paths in a cell; the separator marks those of one level as paths.
            result[_CATEGORIES] = [f"{path} >" for path in _split(fields.get(_CATEGORIES))]
        return result


FEEDS = (
    Feed(
        "Shopify export",
        frozenset({"Handle", "Title", "Body (HTML)"}),
        {"product_id": "Handle", "title": "Title", "description": "Body (HTML)", "merchant_category": "Type"},
        ("Product Category", "Standardized Product Type", "Custom Product Type", "Type"),
        {_GENDER: "Google Shopping / Gender", _AGE: "Google Shopping / Age Group"},
        own="Title",
    ),
    Feed(
        "WooCommerce export",
        frozenset({"ID", "Type", "SKU", "Name", "Categories"}),
        {"product_id": "ID", "title": "Name", "description": "Description"},
        (_CATEGORIES,),
        {},
        own="Type",
        own_values=frozenset({"simple", "variable", "grouped", "external", "virtual", "downloadable"}),
    ),
    Feed(
        "WooCommerce export (XML)",
        frozenset({"post_id", "post_type", "title", "content"}),
        {"product_id": "post_id", "title": "title", "description": "content"},
        (),
        {"category": "product_cat"},
        own="post_type",
        own_values=frozenset({"product"}),
    ),
    Feed(
        "Shopify feed (XML)",
        frozenset({"id", "title", "type", "vendor", "summary"}),
        {"product_id": "id", "title": "title", "description": "summary"},
        ("type",),
        {},
    ),
    Feed(
        "Google Merchant feed",
        frozenset({"id", "title", "description", "link", "availability"}),
        {"product_id": "id", "title": "title", "description": "description", "merchant_category": "product_type"},
        ("google_product_category", "google product category", "product_type", "product type"),
        {_COLOR: "color", _GENDER: "gender", _AGE: "age_group", "material": "material", "pattern": "pattern"},
        {_COLOR: "/", "material": "/"},
    ),
)


def feed_of(names: Iterable[str]) -> Feed | None:
    """The shop system's export that has these columns; None if it is none that is known."""
    known = set(names)
    return next((feed for feed in FEEDS if feed.needed <= known), None)


def _split(cell: Any) -> list[str]:
    parts = (part.replace("\\,", ",").strip() for part in _NOT_ESCAPED_COMMA.split(str(cell or "")))
    return [part for part in parts if part]

"""Queries as they are understood."""

from hangtag.tags.thresholds import KeyedThresholds, TagThresholds, Thresholds
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText
from hangtag.words import Reader
from tests.bundles import tiny_schema, tiny_tokenizer
from tests.fuzz.contract import require
from tests.fuzz.targets import texts

_SCHEMA = tiny_schema()
_READER = Reader(
    _SCHEMA,
    KeyedThresholds.of_products(
        Thresholds(
            tags=dict.fromkeys(_SCHEMA.tags, TagThresholds(auto=0.5, review=0.1)),
            words={"color:red": ("red",), "color:navy": ("navy",), "color:blue": ("blue",)},
        )
    ),
    tiny_tokenizer(),
    None,
)

SEEDS = (
    *texts.SEEDS,
    b"a dress, not red or blue, under $50, size 42",
    b"no navy shoes for my 5 year old daughter",
    b"case for a phone without blue, 2 pack",
    b"where is my order",
    b"not " * 60,
    b"1," * 100,
)


def target(data: bytes) -> str:
    """Read a query."""
    text = ProductText.of(data.decode("utf-8", "replace"))
    found = _READER.read(text, TextKind.QUERY)
    require(set(found.excluded) <= set(_SCHEMA.tags), "an excluded tag that is not in the schema")
    require(found.text.is_empty == text.is_empty, "the model reads nothing of a text")
    require(
        all(span.text in text.first.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'") for span in found.spans), "a span"
    )
    require(found == _READER.read(text, TextKind.QUERY), "a text is read in two ways")
    return f"{found.refusal}, {len(found.excluded)} excluded, {len(found.spans)} spans"

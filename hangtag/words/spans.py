"""Prices, sizes and quantities in a query: recognised, and not tagged."""

import re
from typing import NamedTuple

from hangtag.text.understood import Span, SpanKind

# As long as sizes and prices are: a longer row of digits is searched once.
_NUMBER = r"\d{1,7}(?:[.,]\d{1,3}){0,3}"
_CURRENCY = r"(?:dollars?|bucks?|euros?|eur|usd|gbp|pounds? sterling|quid|cents?)"
_LIMIT = (
    r"(?:(?:for\s+)?(?:under|below|less\s+than|up\s+to|at\s+most|no\s+more\s+than|not\s+more\s+than|max(?:imum)?|"
    r"cheaper\s+than|around|about|over|above|more\s+than|at\s+least|from|between|within|for)\s+)"
)
_AMOUNT = rf"(?:[$€£¥]\s?{_NUMBER}|{_NUMBER}\s?(?:[$€£¥]|{_CURRENCY}\b))"
_UNIT = (
    r"(?:millimet(?:er|re)s?|centimet(?:er|re)s?|met(?:er|re)s?|mm|cm|m|inch(?:es)?|in|ft|feet|foot|yards?|yd|ml|cl|"
    r"lit(?:er|re)s?|l|fl\.?\s?oz|oz|ounces?|kg|kilos?|g|grams?|mg|lbs?|pounds?|gb|tb|mb|mah|watts?|w|volts?|v|hz|px|"
    r"gallons?|gal|quarts?|qt)"
)
_LETTERS = r"(?:xxs|xs|s|m|l|xl|xxl|xxxl|[2-6]xl|small|medium|large|x-large)"
_PACK = r"(?:packs?|pk|pcs?|pieces?|count|ct|pairs?|sets?|rolls?|boxes|units)"

# A bare number is a price after a limit only, where no unit follows: `under 50`.
_PRICE = (
    rf"{_LIMIT}?{_AMOUNT}(?:\s*(?:-|to|and)\s*(?:{_AMOUNT}|{_NUMBER}))?|between\s+{_NUMBER}\s+and\s+{_AMOUNT}"
    rf"|(?:under|below|less\s+than|cheaper\s+than)\s+{_NUMBER}(?![\d.,]|\s?(?:{_UNIT}|{_PACK}|years?|x|%)\b|\"|')"
)
_QUANTITY = (
    rf"\b{_NUMBER}[\s-]?{_PACK}\b|\b(?:packs?|sets?|box|case|bundle|lot|pair)\s+of\s+\d+\b"
    r"|(?<!\d\s)(?<!\d)\bx\s?\d+\b(?!\s?(?:cm|mm|m|in))|\b\d+\s?x\b(?!\s?\d)"
)
_SIZE = (
    rf"\b(?:(?:us|uk|eu)\s+)?sizes?\s+(?:(?:us|uk|eu)\s+)?(?:{_NUMBER}(?:\s?/\s?\d+)?|{_LETTERS})\b"
    rf"|\b(?:us|uk|eu)\s?{_NUMBER}\b|\b{_NUMBER}(?:\s?[x\u00d7]\s?{_NUMBER}){{1,2}}(?:\s?{_UNIT}\b|\")?"
    rf"|\b{_NUMBER}[\s-]?(?:{_UNIT}\b|\")|\b\d+\s?/\s?\d+\s?(?:{_UNIT}\b|\")|\b(?:xxs|xs|xl|xxl|xxxl|[2-6]xl)\b"
)
_ALL = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in ((SpanKind.PRICE, _PRICE), (SpanKind.QUANTITY, _QUANTITY), (SpanKind.SIZE, _SIZE))
)
_SPACE = re.compile(r"\s{2,}")


class Spanned(NamedTuple):
    """The spans of a query in their order, the query without its prices, and without any span."""

    spans: tuple[Span, ...]
    without_prices: str
    without_spans: str


def find_spans(text: str) -> Spanned:
    """Find prices, quantities and sizes; of those that share characters the first kind counts."""
    found: list[tuple[int, int, SpanKind]] = []
    if any(char.isdigit() for char in text) or "size" in text.lower() or "xl" in text.lower() or "xs" in text.lower():
        for kind, pattern in _ALL:
            for match in pattern.finditer(text):
                start, end = match.span()
                if all(end <= its_start or start >= its_end for its_start, its_end, _ in found):
                    found.append((start, end, kind))
    found.sort()
    spans = tuple(Span(kind, text[start:end].strip()) for start, end, kind in found)
    prices = [(start, end) for start, end, kind in found if kind is SpanKind.PRICE]
    return Spanned(spans, without(text, prices), without(text, [(start, end) for start, end, _ in found]))


def without(text: str, places: list[tuple[int, int]]) -> str:
    """The text without some parts of it, given in order."""
    if not places:
        return text
    pieces, at = [], 0
    for start, end in places:
        pieces.append(text[at:start])
        at = max(at, end)
    pieces.append(text[at:])
    return _SPACE.sub(" ", " ".join(pieces)).strip()

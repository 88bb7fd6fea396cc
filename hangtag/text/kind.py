"""The kind of a text: what it was written for."""

from enum import StrEnum


class TextKind(StrEnum):
    """Thresholds and calibration are keyed by it, since a query is not a title."""

    PRODUCT = "product"
    QUERY = "query"

"""The kind of a text."""

from enum import StrEnum


class TextKind(StrEnum):
    """What a text was written for. Thresholds and calibration may differ: a query is not a title."""

    PRODUCT = "product"
    QUERY = "query"

"""Errors of the index."""


class QueryError(ValueError):
    """A query cannot be answered; the message names the field and says what it must be."""


class SnapshotError(ValueError):
    """A snapshot cannot be used; the message says why."""


class UnknownProductError(LookupError):
    """The index does not have the product."""

"""The index of search: products by their tags, in memory, with what searches, bots and profiles ask of it."""

from hangtag.index.answers import answers
from hangtag.index.change import Change
from hangtag.index.errors import QueryError, SnapshotError, UnknownProductError
from hangtag.index.find import find
from hangtag.index.index import Index
from hangtag.index.query import Query
from hangtag.index.view import View

__all__ = ["Change", "Index", "Query", "QueryError", "SnapshotError", "UnknownProductError", "View", "answers", "find"]

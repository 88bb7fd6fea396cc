"""The products of one call."""

from collections.abc import Sequence
from typing import Any, overload

from hangtag.client.reading import product_of
from hangtag.client.results import ProductTags


class Products(Sequence[ProductTags]):
    """Products in the order of their ids, each made from its message when it is first read.

    To make a thousand at once takes several times as long as the call that fetched them.
    """

    __slots__ = ("_found",)

    def __init__(self, found: list[Any]) -> None:
        self._found = found

    def __len__(self) -> int:
        return len(self._found)

    @overload
    def __getitem__(self, at: int) -> ProductTags: ...
    @overload
    def __getitem__(self, at: slice) -> "Products": ...
    def __getitem__(self, at: int | slice) -> "ProductTags | Products":
        if isinstance(at, slice):
            return Products(self._found[at])
        found = self._found[at]
        if not isinstance(found, ProductTags):
            found = self._found[at] = product_of(found)
        return found

    __hash__ = None  # type: ignore[assignment] # as of a list

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    def __repr__(self) -> str:
        return repr(list(self))

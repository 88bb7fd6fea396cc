"""The products and texts of rows, read anew whenever they are needed."""

from collections.abc import Collection, Iterator, Sequence
from typing import overload

from hangtag.text.product_text import ProductText
from hangtag.trainer.data.labelled import LabelledProduct, LabelledRow


class Products(Sequence[LabelledProduct]):
    """The products of rows."""

    def __init__(self, rows: Sequence[LabelledRow]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[LabelledProduct]:
        return (row.product for row in self._rows)

    @overload
    def __getitem__(self, place: int) -> LabelledProduct: ...
    @overload
    def __getitem__(self, place: slice) -> list[LabelledProduct]: ...
    def __getitem__(self, place: int | slice) -> LabelledProduct | list[LabelledProduct]:
        if isinstance(place, slice):
            return [row.product for row in self._rows[place]]
        return self._rows[place].product


class Texts(Collection[ProductText]):
    """The texts of rows."""

    def __init__(self, rows: Sequence[LabelledRow]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[ProductText]:
        return (row.product.text for row in self._rows)

    def __contains__(self, text: object) -> bool:
        return any(each == text for each in self)

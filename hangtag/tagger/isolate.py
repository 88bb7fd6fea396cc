"""One bad item never fails its neighbours."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that fails even alone, and in how many runs it did."""

    error: Exception
    attempts: int


def isolate(
    run: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T], fatal: tuple[type[Exception], ...] = ()
) -> list[R | Failure]:
    """One result an item, in order. A run that fails is split in halves until the culprit stands alone.

    Raises:
        Exception: one of `fatal`, at once.
    """
    results: list[R | Failure] = []
    todo = [(0, len(items), 1)] if items else []
    while todo:
        start, end, attempt = todo.pop()
        try:
            found = run(items[start:end])
            if len(found) != end - start:
                msg = f"{end - start} texts went in and {len(found)} results came out"
                raise ValueError(msg)  # noqa: TRY301 (a wrong count is treated like any other failure)
        except fatal:
            raise
        except Exception as error:  # noqa: BLE001 (whatever a text provokes is its own fault, not its neighbours')
            if end - start == 1:
                results.append(Failure(error, attempt))
            else:
                middle = (start + end) // 2
                todo += [(middle, end, attempt + 1), (start, middle, attempt + 1)]
        else:
            results.extend(found)
    return results

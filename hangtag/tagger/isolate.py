"""Running items in batches so that an item that fails never makes others fail."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Failure:
    """The error of an item that fails even alone; `attempts` is the number of runs that it was part of."""

    error: Exception
    attempts: int


def isolate(
    run: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T], fatal: tuple[type[Exception], ...] = ()
) -> list[R | Failure]:
    """Run the items; one result per item, in order. A batch that fails is halved until the failing item is alone.

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
                msg = f"{end - start} items gave {len(found)} results"
                raise ValueError(msg)  # noqa: TRY301 (a wrong count is treated like any other failure)
        except fatal:
            raise
        except Exception as error:  # noqa: BLE001 (whatever error an item causes, its neighbours must not get it)
            if end - start == 1:
                results.append(Failure(error, attempt))
            else:
                middle = (start + end) // 2
                todo += [(middle, end, attempt + 1), (start, middle, attempt + 1)]
        else:
            results.extend(found)
    return results

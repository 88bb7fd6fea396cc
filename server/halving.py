"""A batch that fails is cut in halves until the culprit stands alone."""

from collections.abc import Callable, Sequence
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def each_or_error(
    items: Sequence[Item], work: Callable[[Sequence[Item]], Sequence[Result]]
) -> list[Result | Exception]:
    """`work` on all items at once if it can be; one result or exception an item, in order.

    `work` must not keep anything of a failed try. One bad item among n costs about 2 log2(n) more tries.
    """
    if not items:
        return []
    try:
        results = list(work(items))
        if len(results) != len(items):
            msg = f"{len(results)} results for {len(items)} items"
            raise RuntimeError(msg)  # noqa: TRY301 (a wrong count is a failed try like any other)
    except Exception as error:  # noqa: BLE001 (whatever it is, it must not reach the neighbours)
        if len(items) == 1:
            return [error]
        half = len(items) // 2
        return each_or_error(items[:half], work) + each_or_error(items[half:], work)
    return list(results)

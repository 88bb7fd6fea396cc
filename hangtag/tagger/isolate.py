"""Running items in batches so that an item that fails never makes others fail."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from hangtag.tagger.faults import OURS, STOPS, FaultError
from hangtag.telemetry import get_log
from hangtag.telemetry.places import place_of, stack_of, summary_of

T = TypeVar("T")
R = TypeVar("R")

_log = get_log(__name__)


@dataclass(frozen=True, slots=True)
class Failure:
    """The error of an item that fails even alone, twice; `attempts` is the number of runs that it was part of."""

    error: BaseException
    attempts: int


def isolate(
    run: Callable[[Sequence[T]], Sequence[R]], items: Sequence[T], probe: Callable[[], None]
) -> list[R | Failure]:
    """Run the items; one result per item, in order. A batch that fails is halved until the failing item is alone.

    An item that fails alone is run once more (twice, if the first error was one of memory, disk or device, which does
    not count against it). If it fails again, `probe` is called, which raises an error if `run` fails for other reasons
    than its items; only if it does not, the item gets a `Failure`. `probe` is also called at the first failure, so that
    a batch is not halved for nothing, but not for lack of memory: a smaller one may fit.

    What ends the process (KeyboardInterrupt, SystemExit) is raised at once: there are no results then, of no item, and
    the caller must count all of them as not run. Every other error is a failure, also one that is not an `Exception`:
    a panic of a library in Rust, such as the tokenizer, is none.

    Raises:
        FaultError: an item alone twice met an error of memory, disk or device, which is not its fault.
        Exception: what `probe` raises.
    """
    results: list[R | Failure] = []
    todo = [(0, len(items), 1)] if items else []
    first = stack = ""
    while todo:
        start, end, attempt = todo.pop()
        outcome = _try(run, items[start:end])
        if isinstance(outcome, BaseException):
            if not first:
                first, stack = place_of(outcome), stack_of(outcome)
                if not isinstance(outcome, MemoryError):
                    probe()
            was_ours = isinstance(outcome, OURS)
            del outcome  # its frames hold memory that the device may need
            if end - start > 1:
                middle = (start + end) // 2
                todo += [(middle, end, attempt + 1), (start, middle, attempt + 1)]
                continue
            outcome = _try(run, items[start:end])
            if was_ours and isinstance(outcome, BaseException) and not isinstance(outcome, OURS):
                # The item itself has failed only once.
                attempt += 1
                outcome = _try(run, items[start:end])
        if not isinstance(outcome, BaseException):
            results.extend(outcome)
            continue
        if isinstance(outcome, OURS):
            msg = f"a fault of memory, disk or device, not of a text: {summary_of(outcome)}"
            raise FaultError(msg) from outcome
        probe()
        results.append(Failure(outcome, attempt + 1))
    if first and not any(isinstance(result, Failure) for result in results):
        _log.warning("failed_once", error=first, stack=stack, next="the same items succeeded when they were run again")
    return results


def _try(run: Callable[[Sequence[T]], Sequence[R]], some: Sequence[T]) -> Sequence[R] | BaseException:
    try:
        found = run(some)
        if len(found) != len(some):
            msg = f"{len(some)} items gave {len(found)} results"
            raise ValueError(msg)  # noqa: TRY301 (a wrong count is treated like any other failure)
    except STOPS:
        raise
    except BaseException as error:  # noqa: BLE001 (whatever error an item causes, its neighbours must not get it)
        return error
    return found

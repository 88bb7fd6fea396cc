"""Finding out what a failing batch is due to: its texts or the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    # Importing it brings the engine's runtime; callers of `probing` have a tagger already.
    from hangtag.tagger.tagger import Tagger

T = TypeVar("T")
R = TypeVar("R")

_HARMLESS = ProductText("blue cotton shirt", "a probe")


class EngineDownError(RuntimeError):
    """The engine fails for a harmless text too."""


def probing(
    run: Callable[[Sequence[T]], list[R]], tagger: Tagger, unless: tuple[type[Exception], ...] = ()
) -> Callable[[Sequence[T]], list[R]]:
    """Wrap `run` so that its first failure, except one of `unless`, makes the tagger tag a harmless text.

    If that succeeds, this and later errors of `run` are raised as they are.

    Raises:
        EngineDownError: raised by the returned function if the harmless text fails too.
    """
    is_alive = False

    def run_or_probe(some: Sequence[T]) -> list[R]:
        nonlocal is_alive
        try:
            return run(some)
        except unless:
            raise
        except Exception:
            if not is_alive:
                _probe(tagger)
                is_alive = True
            raise

    return run_or_probe


def _probe(tagger: Tagger) -> None:
    try:
        tagger.decode(tagger.forward(tagger.encode([_HARMLESS])), [TextKind.PRODUCT])
    except Exception as error:
        msg = f"the engine fails for any text ({type(error).__name__}: {error}); restart, and check the device"
        raise EngineDownError(msg) from error

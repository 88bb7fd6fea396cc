"""Where an error was raised, for logs: without its message, which may quote a product's text."""

import traceback
from collections.abc import Iterator
from types import FrameType

_OURS = "hangtag."
_MOST_CHARS = 300


def place_of(error: BaseException) -> str:
    """The error's type, its innermost place in Hangtag and, if that is in a library, the innermost place of all."""
    places = [(_module(frame), line) for frame, line in traceback.walk_tb(error.__traceback__)]
    ours = [place for place in places if place[0].startswith(_OURS)][-1:]
    inner = [place for place in places[-1:] if place not in ours]
    shown = ", raised at ".join(f"{module}:{line}" for module, line in ours + inner)
    return type(error).__name__ + (f" at {shown}" if shown else "")


def stack_of(error: BaseException) -> str:
    """Every place of the error, a line each, outermost first, then those of its causes. Neither messages nor values."""
    return "\n".join(line for each in _chain(error) for line in (*_lines(each), type(each).__name__))


def summary_of(error: BaseException) -> str:
    """The error's place, and its message if it cannot quote a text: one of the system, or written by Hangtag."""
    safe = isinstance(error, (OSError, MemoryError)) or type(error).__module__.startswith(_OURS)
    message = " ".join(str(error).split())[:_MOST_CHARS] if safe else ""
    return f"{place_of(error)}: {message}" if message else place_of(error)


def _lines(error: BaseException) -> Iterator[str]:
    for frame, line in traceback.walk_tb(error.__traceback__):
        yield f"{_module(frame)}:{line} {frame.f_code.co_name}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "?"))

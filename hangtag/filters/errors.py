"""The error of a filter that cannot be read."""

from typing import NoReturn

_MOST_BYTES = 40


class FilterError(ValueError):
    """A filter cannot be read; the message says what is wrong and what to write.

    `position` is the number of the character at which the wrong part begins, counted from 1; the message has it too.
    """

    def __init__(self, problem: str, position: int) -> None:
        super().__init__(f"character {position}: {problem}")
        self.problem = problem
        self.position = position


def shortened(name: str) -> str:
    """A name in an error, which repeats no more of what somebody wrote than is needed to find it."""
    raw = name.encode()
    return name if len(raw) <= _MOST_BYTES else f"{raw[:_MOST_BYTES].decode(errors='ignore')}..."


def fail(problem: str, at: int) -> NoReturn:
    """Raise the error of a part that begins at this index."""
    raise FilterError(problem, at + 1)

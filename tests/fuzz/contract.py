"""What holds for every boundary: a valid result, or an error whose message helps and quotes no text."""

# The longest piece of an input that a message may quote: an id or a key, shortened to 40 characters.
_LONGEST_QUOTE = 64
_STEP = 16
_MOST_CHARS = 2_000


class BrokenContractError(AssertionError):
    """The shipped code did with an input what it must never do."""


def require(condition: object, what: str) -> None:
    """Raise `BrokenContractError` unless the condition holds."""
    if not condition:
        raise BrokenContractError(what)


def refused(error: Exception, data: bytes, most_chars: int = _MOST_CHARS) -> str:
    """The outcome of an input that was refused, after a check of the error's message.

    Raises:
        BrokenContractError: it is empty, longer than a screen, or quotes more of the input than an id.
    """
    message = str(error)
    require(message.strip(), f"{type(error).__name__} has no message")
    require(len(message) <= most_chars, f"the message of {type(error).__name__} has {len(message)} characters")
    # A quote has two backslashes for one.
    encoded = message.replace("\\\\", "\\").encode("utf-8", "replace")
    for start in range(0, len(encoded) - _LONGEST_QUOTE, _STEP):
        piece = encoded[start : start + _LONGEST_QUOTE]
        require(piece not in data, f"the message of {type(error).__name__} quotes {_LONGEST_QUOTE} bytes of the input")
    return f"{type(error).__name__}: {message[:12]}"

"""Values of a record in messages, shortened. Never pass a product's texts: messages are logged."""

from typing import Any

_MOST_CHARS = 40


def quoted(value: Any) -> str:
    """An id, version, type, time or key on one line; an object or a list is only named, since it may hold texts."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, bytes):
        value = value.decode("utf-8", "backslashreplace")
    if isinstance(value, str):
        return repr(value) if len(value) <= _MOST_CHARS else f"{value[:_MOST_CHARS]!r}..."
    text = str(value)
    return text if len(text) <= _MOST_CHARS else f"{text[:_MOST_CHARS]}..."

"""Data within a page, for its script."""

from typing import Any

import orjson
from markupsafe import Markup


def embedded(data: Any) -> Markup:
    """JSON for a script element, which no text in it can end: only `<` could begin its end."""
    return Markup(orjson.dumps(data).decode().replace("<", "\\u003c"))  # noqa: S704 (escaped here)

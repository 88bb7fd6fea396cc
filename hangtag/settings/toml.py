"""Parsing TOML from people: every way in which it can be wrong is one error."""

import tomllib
from typing import Any


class TomlError(ValueError):
    """A text is not valid TOML; the message says why and where."""


def parse_toml(content: bytes) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        TomlError: it is not UTF-8, not TOML, has a number with thousands of digits, or is nested too deeply.
    """
    try:
        return tomllib.loads(content.decode())
    except RecursionError:
        msg = "its arrays or tables are nested too deeply; write fewer brackets"
        raise TomlError(msg) from None
    except ValueError as error:
        msg = f"{error}; write TOML in UTF-8 without a byte order mark"
        raise TomlError(msg) from error

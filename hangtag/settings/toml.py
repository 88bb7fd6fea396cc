"""Parsing TOML from people: every way in which it can be wrong is one error."""

import re
import tomllib
from typing import Any

# tomllib needs time that grows with the square of the number of parts of a key.
_MOST_PARTS = 64
_PART = rb"""(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*"""
_LONG_KEY = re.compile(rb"(?:^|[{,])[ \t\[]*(?:%b){%d}" % (_PART, _MOST_PARTS), re.MULTILINE)


class TomlError(ValueError):
    """A text is not valid TOML; the message says why and where."""


def parse_toml(content: bytes) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        TomlError: it is not UTF-8, not TOML, has a number with thousands of digits, or is nested too deeply.
    """
    if found := _LONG_KEY.search(content):
        line = content.count(b"\n", 0, found.end()) + 1
        msg = f"line {line} has a key of more than {_MOST_PARTS} parts; a key such as a.b has two"
        raise TomlError(msg)
    try:
        return tomllib.loads(content.decode())
    except RecursionError:
        msg = "its arrays or tables are nested too deeply; write fewer brackets"
        raise TomlError(msg) from None
    except ValueError as error:
        msg = f"{error}; write TOML in UTF-8 without a byte order mark"
        raise TomlError(msg) from error

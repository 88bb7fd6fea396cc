"""Hangtag: product tags for every listing, a moment after it is listed."""

from typing import TYPE_CHECKING

__version__: str

if not TYPE_CHECKING:  # a type checker must not take every name for an attribute

    def __getattr__(name):  # noqa: ANN001, ANN202
        """`__version__`, read from the installed distribution when it is asked for."""
        if name != "__version__":
            msg = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(msg)
        from importlib.metadata import version  # noqa: PLC0415 (most callers never ask)

        return version("hangtag-client")

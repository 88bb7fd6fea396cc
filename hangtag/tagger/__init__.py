"""Texts in, tags out: the tagger, and how texts are batched for it.

    from hangtag.tagger import Tagger
    tagger = Tagger.load("bundles/shop")
    tagger(["Red wool scarf", "Trail running shoes for women"])

This package imports nothing by itself: probing and planning do not need the engine's runtime, which `Tagger` brings
when it is first used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hangtag.tagger.tagger import Tagger

__all__ = ["Tagger"]


def __getattr__(name: str) -> Any:
    if name != "Tagger":
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from hangtag.tagger.tagger import Tagger  # noqa: PLC0415 (brings the engine's runtime)

    return Tagger

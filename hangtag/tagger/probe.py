"""Finding out what an error is due to: a text, or the engine and the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hangtag.tagger.faults import STOPS, FaultError
from hangtag.text.kind import TextKind
from hangtag.text.product_text import ProductText

if TYPE_CHECKING:
    # Importing it brings the engine's runtime; callers have a tagger already.
    from hangtag.tagger.tagger import Tagger

_HARMLESS = ProductText("blue cotton shirt", "a probe")


class EngineDownError(FaultError):
    """The tokenizer or the engine does not work; no text is at fault."""


def probe(tagger: Tagger) -> None:
    """Tag a harmless text.

    Raises:
        EngineDownError: that fails too.
    """
    try:
        tagger.decode(tagger.forward(tagger.encode([_HARMLESS])), [TextKind.PRODUCT])
    except STOPS:
        raise
    except BaseException as error:
        msg = f"the engine fails for any text ({_reason(error)}); restart, and check the device"
        raise EngineDownError(msg) from error


def probe_tokenizer(tagger: Tagger) -> None:
    """Tokenise a harmless text.

    Raises:
        EngineDownError: that fails too.
    """
    try:
        tagger.encode([_HARMLESS])
    except STOPS:
        raise
    except BaseException as error:
        msg = f"the tokenizer fails for any text ({_reason(error)}); restart, and check memory and the bundle"
        raise EngineDownError(msg) from error


def _reason(error: BaseException) -> str:
    # The message cannot quote a product: it is about the harmless text.
    return f"{type(error).__name__}: {error}"

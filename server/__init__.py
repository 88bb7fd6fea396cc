"""The gRPC server: looks up stored tags, and suggests tags for a text.

The path of a look-up is transport -> calls -> lane -> look-ups -> store: a transport takes calls, which are admitted
and wait in a lane; a list of them is answered with one read of the store.
"""

from typing import TYPE_CHECKING, Any

from hangtag.server.errors import ServerError

if TYPE_CHECKING:
    from hangtag.server.program import serve

__all__ = ["ServerError", "serve"]


def __getattr__(name: str) -> Any:
    # Only who serves loads what tags texts: the index process has no use for it, and it is a third of its memory.
    if name == "serve":
        from hangtag.server.program import serve  # noqa: PLC0415

        return serve
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)

"""The gRPC server: looks up stored tags, and suggests tags for a text.

The path of a look-up is transport -> calls -> lane -> look-ups -> store: a transport takes calls, which are admitted
and wait in a lane; a list of them is answered with one read of the store.
"""

from hangtag.server.errors import ServerError
from hangtag.server.program import serve

__all__ = ["ServerError", "serve"]

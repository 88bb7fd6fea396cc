"""The gRPC server: looks up stored tags, and suggests tags for a text.

The path of a look-up is handler -> coalescer -> store: a handler checks the request, the coalescer combines concurrent
look-ups into one read, and the store returns what is stored.
"""

from hangtag.server.errors import ServerError
from hangtag.server.program import serve

__all__ = ["ServerError", "serve"]

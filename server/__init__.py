"""The gRPC server: look-ups of stored tags, and tags for a text.

A look-up takes three hops: a handler checks the request, the coalescer reads what one turn of the event loop asked
for, the store answers. `serve` runs it all until it is told to stop.
"""

from hangtag.server.errors import ServerError
from hangtag.server.program import serve

__all__ = ["ServerError", "serve"]

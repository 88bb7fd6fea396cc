"""Sockets that a server listens on."""

import socket

from hangtag.server.errors import ServerError
from hangtag.settings import variable_of


def bound_socket(host: str, port: int, leaf: str, *, shares_port: bool = False) -> socket.socket:
    """A socket that is bound to an address; `leaf` is the setting of its port, which an error names.

    Raises:
        ServerError: the port is in use, or this machine does not have the address.
    """
    # With the protocol named, asyncio sends every part of a reply at once; else it would wait for acknowledgements.
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        # Ports of connections that were closed a moment ago may be used again.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shares_port:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((host.strip("[]"), port))
    except OSError as error:
        bound.close()
        msg = (
            f"cannot listen on {host}:{port}: the port is in use, or this machine does not have that address; "
            f"stop what uses the port, or set {variable_of(f'server.{leaf}')} (0: any free port) or "
            f"{variable_of('server.host')}"
        )
        raise ServerError(msg) from error
    return bound

"""Errors of a call, and of the server as a whole."""

import grpc

from hangtag.telemetry.places import place_of, stack_of

__all__ = ["CallError", "ServerError", "place_of", "stack_of"]


class ServerError(RuntimeError):
    """The server cannot start; the message names the setting to change."""


class CallError(Exception):
    """Ends a call with a status. The message is for the caller and says what to do."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

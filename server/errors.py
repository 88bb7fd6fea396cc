"""Errors of a call, and of the server as a whole."""

import traceback

import grpc


class ServerError(RuntimeError):
    """The server cannot start; the message names the setting to change."""


class CallError(Exception):
    """Ends a call with a status. The message is for the caller and says what to do."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def place_of(error: BaseException) -> str:
    """The error's type and where it was raised, without its message, which may quote a text."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"

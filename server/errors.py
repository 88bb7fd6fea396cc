"""What a call, or the whole server, can fail with."""

import traceback

import grpc


class ServerError(RuntimeError):
    """The server cannot start; the message says what to set."""


class CallError(Exception):
    """A call ends with this status; the message is for the caller and says what to do."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def place_of(error: BaseException) -> str:
    """Kind of error and where it was raised, without its message: that may quote a text."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"

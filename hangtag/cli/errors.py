"""The error of a command."""


class CommandError(RuntimeError):
    """The command failed; the message says what is wrong and what to do."""

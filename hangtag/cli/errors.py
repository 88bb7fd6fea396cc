"""What a command can say went wrong."""


class CommandError(RuntimeError):
    """The command failed; the message says what happened and what to do."""

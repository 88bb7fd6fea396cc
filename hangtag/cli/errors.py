"""The error of a command."""


class CommandError(RuntimeError):
    """The command failed; the message says what is wrong and what to do.

    `missing_extra`: the extra of the distribution whose packages are not installed, if that is the cause.
    """

    def __init__(self, message: str = "", *, missing_extra: str | None = None) -> None:
        super().__init__(message)
        self.missing_extra = missing_extra

"""The error of an export."""


class ExportError(RuntimeError):
    """The export cannot be made; the message says why and what to do.

    `missing_extra`: the extra of the distribution whose packages are not installed, if that is the cause.
    """

    def __init__(self, message: str = "", *, missing_extra: str | None = None) -> None:
        super().__init__(message)
        self.missing_extra = missing_extra

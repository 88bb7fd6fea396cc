"""The errors of engines."""


class EngineError(RuntimeError):
    """An engine cannot be opened or cannot run a batch; the message says what to do.

    `missing_extra`: the extra of the distribution whose packages are not installed, if that is the cause.
    """

    def __init__(self, message: str = "", *, missing_extra: str | None = None) -> None:
        super().__init__(message)
        self.missing_extra = missing_extra


class OutOfMemory(EngineError, MemoryError):  # noqa: N818 (a name like MemoryError)
    """The batch does not fit into the device's memory: split it and run the parts."""


class DeviceError(EngineError, OSError):
    """The device or its runtime failed on texts that the engine had checked; like an OSError, never a text's fault."""

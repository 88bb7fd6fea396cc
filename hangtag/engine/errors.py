"""What can go wrong in an engine."""


class EngineError(RuntimeError):
    """An engine cannot be opened or cannot run a batch; the message says what to do."""


class OutOfMemory(EngineError):  # noqa: N818 (names the fact, as MemoryError does)
    """The batch is too large for the device's memory: split it and run the parts."""

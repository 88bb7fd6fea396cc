"""The errors of engines."""


class EngineError(RuntimeError):
    """An engine cannot be opened or cannot run a batch; the message says what to do."""


class OutOfMemory(EngineError):  # noqa: N818 (a name like MemoryError)
    """The batch does not fit into the device's memory: split it and run the parts."""

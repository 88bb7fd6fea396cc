"""The errors of engines."""


class EngineError(RuntimeError):
    """An engine cannot be opened or cannot run a batch; the message says what to do."""


class OutOfMemory(EngineError, MemoryError):  # noqa: N818 (a name like MemoryError)
    """The batch does not fit into the device's memory: split it and run the parts."""


class DeviceError(EngineError, OSError):
    """The device or its runtime failed on texts that the engine had checked; like an OSError, never a text's fault."""

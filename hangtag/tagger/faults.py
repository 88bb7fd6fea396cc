"""Errors that are never the fault of a text."""

# Requests to end the process. They are no failures of what runs at that moment.
STOPS = (KeyboardInterrupt, SystemExit, GeneratorExit)

# Memory, disk and device (the engines' `OutOfMemory` is a MemoryError, their `DeviceError` an OSError). The size of a
# text is limited before it gets here, and the engine checks tokens before the device gets them, so a text cannot cause
# them.
OURS = (MemoryError, OSError)


class FaultError(RuntimeError):
    """No text is at fault: the process has to end, and nothing may count as done. The error is its `__cause__`."""

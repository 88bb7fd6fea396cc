"""The error of the local stack."""


class LocalError(RuntimeError):
    """A local server cannot be started or ended; the message says why and what to do."""

"""What can go wrong with the local stack."""


class LocalError(RuntimeError):
    """A local server cannot be started or went away; the message says why and what to do."""

"""What ends a run that proves nothing."""


class ChaosError(RuntimeError):
    """The run itself cannot go on, through no fault of Hangtag; the message says what happened."""

"""The error of dead letters."""


class LetterError(RuntimeError):
    """A dead letter cannot be found, sent again or marked as handled; the message says why and what to do."""

"""The base of the trainer's errors."""


class TrainerError(Exception):
    """An error that the user can fix; the message says what is wrong, where, and what to do."""

"""The one base of what the trainer refuses."""


class TrainerError(Exception):
    """Training, evaluation or one of their files cannot go on; the message says what is wrong, where, and what to do."""

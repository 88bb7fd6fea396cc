"""What can go wrong with the audit trail."""


class AuditError(Exception):
    """The audit trail cannot be written or read; the message says what to do. Nothing was decided."""

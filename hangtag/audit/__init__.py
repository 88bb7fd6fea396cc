"""The audit trail: who decided or released what, when and why. One shape of record for all decisions.

`AuditLog` appends to the topic `tags.audit`, and reads it. A record is written before its decision takes effect.
"""

from hangtag.audit.errors import AuditError
from hangtag.audit.log import AuditLog
from hangtag.audit.pseudonym import pseudonym_of
from hangtag.audit.record import Action, AuditRecord, Outcome, Subject

__all__ = ["Action", "AuditError", "AuditLog", "AuditRecord", "Outcome", "Subject", "pseudonym_of"]

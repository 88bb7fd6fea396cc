"""Who decided, without a name: the audit trail is kept for years, and names do not belong into it."""

import getpass
import hashlib
import hmac

from hangtag.audit.errors import AuditError

# Enough that the people of a company do not share one.
_DIGITS = 10


def pseudonym_of(salt: str, login: str | None = None) -> str:
    """A pseudonym made of a login name, by default that of this user: the same for the same name and salt.

    Raises:
        AuditError: this user has no login name.
    """
    try:
        name = login or getpass.getuser()
    except (OSError, KeyError) as error:
        msg = "this user has no login name: add --actor NAME, or set HANGTAG_MODELS__ACTOR"
        raise AuditError(msg) from error
    return "u-" + hmac.new(salt.encode(), name.encode(), hashlib.sha256).hexdigest()[:_DIGITS]

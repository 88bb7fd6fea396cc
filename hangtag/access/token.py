"""A token: `ht_<id>_<secret>`, of which only the hash is kept."""

import secrets
import string
from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest
from typing import Annotated, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, field_serializer

from hangtag.access.scope import Scope

# Secret scanners find a token by it.
PREFIX = "ht"
_ID_CHARS = string.ascii_lowercase + string.digits
_SECRET_CHARS = string.ascii_letters + string.digits
_ID_LENGTH = 8
# 256 bits, so that the hash needs neither salt nor time.
_SECRET_LENGTH = 43

ClientName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$")]


class Token(BaseModel):
    """What the file of tokens says about one: all but the secret.

    `client` is who has it, by the name that logs and metrics show. Quotas that are None are those of the settings.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{1,32}$")]
    client: ClientName
    scopes: frozenset[Scope] = Field(min_length=1)
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    created: AwareDatetime
    expires: AwareDatetime | None = None
    revoked: AwareDatetime | None = None
    calls_per_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    concurrency: int | None = Field(default=None, ge=1)
    ids_per_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)

    @property
    def ends(self) -> datetime | None:
        """When it stops being valid; None: never."""
        return min((end for end in (self.expires, self.revoked) if end is not None), default=None)

    def is_valid(self, now: datetime) -> bool:
        """False once it has expired or is revoked."""
        return self.ends is None or now < self.ends

    def is_of(self, text: str) -> bool:
        """Whether `text` is this token. The time that it takes says nothing about how similar they are."""
        return compare_digest(self.sha256, hash_of(text))

    @field_serializer("scopes")
    def _in_order(self, scopes: frozenset[Scope]) -> list[Scope]:
        return [scope for scope in Scope if scope in scopes]


class NewToken(NamedTuple):
    """A token that was just made, and the text that its client sends, which is kept nowhere."""

    token: Token
    text: str


def new_token(
    client: str,
    scopes: Iterable[Scope],
    *,
    expires: datetime | None = None,
    calls_per_s: float | None = None,
    concurrency: int | None = None,
    ids_per_s: float | None = None,
) -> NewToken:
    """Make a token.

    Raises:
        ValueError: the client's name, the scopes or a quota are not valid.
    """
    made_id = _random(_ID_CHARS, _ID_LENGTH)
    text = f"{PREFIX}_{made_id}_{_random(_SECRET_CHARS, _SECRET_LENGTH)}"
    token = Token(
        id=made_id,
        client=client,
        scopes=frozenset(scopes),
        sha256=hash_of(text),
        created=datetime.now(UTC).replace(microsecond=0),
        expires=expires,
        calls_per_s=calls_per_s,
        concurrency=concurrency,
        ids_per_s=ids_per_s,
    )
    return NewToken(token, text)


def id_of(text: str) -> str | None:
    """The id in the text of a token; None if it is no token."""
    prefix, _, rest = text.partition("_")
    found, separator, _ = rest.partition("_")
    return found if prefix == PREFIX and separator else None


def hash_of(text: str) -> str:
    """The hash that is kept in place of the text."""
    return sha256(text.encode(errors="backslashreplace")).hexdigest()


def _random(chars: str, length: int) -> str:
    return "".join(secrets.choice(chars) for _ in range(length))

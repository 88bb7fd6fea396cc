"""Settings of models in production."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, StringConstraints
from pydantic_core import PydanticCustomError

from hangtag.settings.group import Group

# The name of a route; it is part of keys of records and of the store.
ROUTE = r"^[a-z0-9][a-z0-9_-]{0,63}$"

_WITH_USER = re.compile(r"[a-z0-9+.-]+://[^/]*@", re.IGNORECASE)


def _place(url: str | None) -> str | None:
    if url is not None and (not url.strip() or _WITH_USER.match(url)):
        kind, msg = "place", "write a folder, or a URL without user and password: its library reads them from elsewhere"
        raise PydanticCustomError(kind, msg)
    return url


class ModelsSettings(Group):
    """Models in production: where bundles are kept, and which of them is in use."""

    store: Annotated[str | None, AfterValidator(_place)] = Field(
        default=None,
        description="Place for bundles: a folder, or a URL such as s3://bucket/models; set: programs use the bundle "
        "that was promoted there; unset: model.bundle",
    )
    cache_dir: Path = Field(
        default=Path("~/.cache/hangtag/models"), description="Folder for bundles that were fetched from models.store"
    )
    route: Annotated[str, StringConstraints(pattern=ROUTE)] = Field(
        default="default", description="Route that is followed: each has a bundle of its own"
    )
    poll_s: float = Field(default=1, ge=0.05, le=60, description="How often a program asks which bundle is in use")
    actor: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._-]{0,63}$")] | None = Field(
        default=None,
        description="Pseudonym under which the decisions of this user are recorded; unset: a hash of the login name",
    )
    actor_salt: SecretStr = Field(
        default=SecretStr("hangtag"),
        description="Added to the login name before it is hashed, so that nobody finds out the name by trying",
    )

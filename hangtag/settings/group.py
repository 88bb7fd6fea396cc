"""What all groups of settings have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Port = Annotated[int, Field(ge=0, le=65_535)]


class Group(BaseModel):
    """A group of settings: read once, and without any name that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

"""What all groups of settings have in common."""

from pydantic import BaseModel, ConfigDict


class Group(BaseModel):
    """A group of settings: read once, and without any name that is not known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

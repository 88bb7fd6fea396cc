"""What people are told about a facet or a tag; it never changes which tags a text gets."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

_MAX_WORDS = 100
_MAX_EXAMPLES = 20
_MAX_CODES = 20

Word = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^\S(.*\S)?$")]
System = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_.-]{0,39}$")]


class About(BaseModel):
    """What people are told about a facet or a tag. Facets have a label and a description only.

    `synonyms` are other words for the tag, `examples` titles that it fits, `codes` what other systems call it, such as
    `gs1`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str = Field(default="", max_length=200)
    description: str = Field(default="", max_length=2_000)
    synonyms: tuple[Word, ...] = Field(default=(), max_length=_MAX_WORDS)
    examples: tuple[Word, ...] = Field(default=(), max_length=_MAX_EXAMPLES)
    codes: dict[System, Word] = Field(default_factory=dict, max_length=_MAX_CODES)

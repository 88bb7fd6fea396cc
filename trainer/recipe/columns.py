"""Which columns of a labelled file hold which fields: other column names, and facets with a column of their own."""

import codecs
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from hangtag.settings.toml import TomlError, parse_toml
from hangtag.tags.schema import FacetName
from hangtag.trainer.errors import TrainerError

_FACET = "facet."


class ColumnsError(TrainerError):
    """A column mapping cannot be used; the message says which part is wrong and what is expected."""


class Columns(BaseModel):
    """The columns (of JSONL: the fields) that hold a product's texts and labels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    product_id: str = "product_id"
    title: str = "title"
    description: str = "description"
    merchant_category: str = "merchant_category"
    shop: str = Field(
        default="shop", description="the shop that a product comes from; optional, and read in addition to other uses"
    )
    facets: str = Field(default="facets", description="the labelled facets; not read if `facet` is given")
    tags: str = Field(default="tags", description="tags as `facet:value`; not read if `facet` is given")
    facet: dict[FacetName, str] = Field(
        default_factory=dict, description="the column that holds each facet's values; an empty cell means unknown"
    )
    labelled: bool = Field(default=True, description="false: labels are neither read nor required")
    separator: str = Field(default="|", description="between the values in a cell; empty: a cell is one value")
    encoding: str = Field(default="", description="the encoding of a text file, for example cp1250; empty: detected")
    none: str = Field(default="", description="cell in a facet's column that means: none of the facet's values fits")

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            return codecs.lookup(name).name if name else ""
        except LookupError as error:
            msg = f"{name!r} is no encoding that Python knows, such as utf-8 or cp1252"
            raise ValueError(msg) from error

    @classmethod
    def read(cls, path: Path | None, pairs: Iterable[str] = ()) -> Self:
        """Read the mapping from a TOML file and override it with `name=column` pairs (`facet.color=Farbe`).

        Raises:
            ColumnsError: the file cannot be read, or a name is unknown.
        """
        try:
            settings: dict[str, Any] = parse_toml(path.read_bytes()) if path else {}
        except OSError as error:
            msg = f"{path}: {error.strerror}"
            raise ColumnsError(msg) from error
        except TomlError as error:
            msg = f"{path}: not valid TOML: {error}"
            raise ColumnsError(msg) from error
        try:
            return cls.model_validate(_with_pairs(settings, pairs))
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"]))
            msg = f"columns: {name}: {first['msg']}; names are {', '.join(cls.model_fields)} and facet.NAME"
            raise ColumnsError(msg) from error

    @property
    def used(self) -> frozenset[str]:
        """Every column that is read."""
        labels = tuple(self.facet.values()) if self.facet else (self.facets, self.tags)
        return frozenset(
            {self.product_id, self.title, self.description, self.merchant_category, *(labels if self.labelled else ())}
        )

    def missing_in(self, header: Sequence[str]) -> list[str]:
        """The required columns that a table's header lacks; text columns with their default names are optional."""
        texts = {name: getattr(self, name) for name in ("title", "description", "merchant_category")}
        optional = {column for name, column in texts.items() if column == name}
        return sorted(self.used - optional - set(header))


def _with_pairs(settings: Mapping[str, Any], pairs: Iterable[str]) -> dict[str, Any]:
    result = dict(settings)
    for pair in pairs:
        name, found, column = pair.partition("=")
        if not found:
            msg = f"columns: {pair!r} is not name=column"
            raise ColumnsError(msg)
        if name.startswith(_FACET):
            facets = result.get("facet", {})
            if not isinstance(facets, Mapping):
                msg = "columns: facet must be a table of facets and their columns, such as [facet]"
                raise ColumnsError(msg)
            result["facet"] = {**facets, name.removeprefix(_FACET): column}
        else:
            result[name] = column
    return result

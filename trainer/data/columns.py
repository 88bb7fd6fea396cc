"""Where a labelled file keeps what: foreign column names and facets that are columns of their own."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hangtag.tags.schema import FacetName

_FACET = "facet."


class ColumnsError(ValueError):
    """A column mapping cannot be used; the message says which part of it and what would be right."""


class Columns(BaseModel):
    """The columns (of JSONL: the fields) that hold a product's texts and labels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    product_id: str = "product_id"
    title: str = "title"
    description: str = "description"
    merchant_category: str = "merchant_category"
    facets: str = Field(default="facets", description="the labelled facets; not read where `facet` is given")
    tags: str = Field(default="tags", description="`facet:value`; not read where `facet` is given")
    facet: dict[FacetName, str] = Field(
        default_factory=dict, description="facet to the column with its values; an empty cell: not known"
    )
    labelled: bool = Field(default=True, description="false: labels are not read, and files need have none")
    separator: str = Field(default="|", description="between the values in a cell; empty: a cell is one value")
    none: str = Field(default="", description="cell of a facet's column that says: none of its values fits")

    @classmethod
    def read(cls, path: Path | None, pairs: Iterable[str] = ()) -> Self:
        """The mapping of a TOML file, with `name=column` pairs (`facet.color=Farbe`) on top of it.

        Raises:
            ColumnsError: the file cannot be read, or a name is unknown.
        """
        try:
            settings: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8")) if path else {}
            return cls.model_validate(_with_pairs(settings, pairs))
        except OSError as error:
            msg = f"{path}: {error.strerror}"
            raise ColumnsError(msg) from error
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(map(str, first["loc"]))
            msg = f"columns: {name}: {first['msg']}; names are {', '.join(cls.model_fields)} and facet.NAME"
            raise ColumnsError(msg) from error
        except ValueError as error:
            msg = f"{path or 'columns'}: {error}"
            raise ColumnsError(msg) from error

    @property
    def used(self) -> frozenset[str]:
        """Every column that is read."""
        labels = tuple(self.facet.values()) if self.facet else (self.facets, self.tags)
        return frozenset(
            {self.product_id, self.title, self.description, self.merchant_category, *(labels if self.labelled else ())}
        )

    def missing_in(self, header: Sequence[str]) -> list[str]:
        """The columns that a table with this header lacks; texts under their own names may be absent."""
        texts = {name: getattr(self, name) for name in ("title", "description", "merchant_category")}
        optional = {column for name, column in texts.items() if column == name}
        return sorted(self.used - optional - set(header))


def _with_pairs(settings: Mapping[str, Any], pairs: Iterable[str]) -> dict[str, Any]:
    result = dict(settings)
    for pair in pairs:
        name, found, column = pair.partition("=")
        if not found:
            msg = f"{pair!r} is not name=column"
            raise ColumnsError(msg)
        if name.startswith(_FACET):
            result["facet"] = {**result.get("facet", {}), name.removeprefix(_FACET): column}
        else:
            result[name] = column
    return result

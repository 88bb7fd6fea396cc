"""Which columns of a labelled file hold which fields: other column names, and facets with a column of their own."""

import codecs
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from hangtag.settings.toml import TomlError, parse_toml
from hangtag.tags.schema import FacetName
from hangtag.tags.tag import facet_of
from hangtag.trainer.errors import TrainerError

_FACET = "facet."
_PATH_SEPARATOR = ">"
# Its levels are facets (`class_1`), whose names have at most 40.
_LONGEST_PATH_NAME = 38
_FACET_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
# A column's name with a separator after it; names of columns may hold colons (`g:id`), but separators no letters.
_WITH_SEPARATOR = re.compile(r"""(?P<column>.+):(?P<separator>"[^"]+"|'[^']+'|[^\w\s"']+)""")


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
    path: dict[FacetName, str] = Field(
        default_factory=dict,
        description="the column that holds a category path, such as `Clothing > Women > Shoes`; its levels become the "
        "facets NAME_1, NAME_2, ..., each the parent of the next",
    )
    labelled: bool = Field(default=True, description="false: labels are neither read nor required")
    separator: str = Field(default="|", description="between the values in a cell; empty: a cell is one value")
    separators: dict[FacetName, str] = Field(
        default_factory=dict,
        description="the separators of facets and paths that have others than `separator` (paths: than `>`)",
    )
    renames: dict[str, str] = Field(
        default_factory=dict,
        description="tags as in the files, and the tags to read in their place; empty: the tag is no label",
    )
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

    @field_validator("renames")
    @classmethod
    def _lead_to_tags_of_the_same_facet(cls, renames: dict[str, str]) -> dict[str, str]:
        for tag, other in renames.items():
            if other and facet_of(other) != facet_of(tag):
                msg = f"{tag!r} cannot become {other!r}, a tag of another facet"
                raise ValueError(msg)
            if other in renames:
                msg = f"{tag!r} becomes {other!r}, which is renamed too: give the last name in both lines"
                raise ValueError(msg)
        return renames

    @model_validator(mode="after")
    def _has_one_column_per_facet(self) -> Self:
        if both := sorted(self.facet.keys() & self.path.keys()):
            msg = f"{both[0]} is a facet and a path: give one of them"
            raise ValueError(msg)
        if stray := sorted(self.separators.keys() - self.facet.keys() - self.path.keys()):
            msg = f"separators: {stray[0]} is neither a facet nor a path with a column"
            raise ValueError(msg)
        if long := [name for name in self.path if len(name) > _LONGEST_PATH_NAME]:
            msg = f"the path's name {long[0]!r} is too long: at most {_LONGEST_PATH_NAME} characters"
            raise ValueError(msg)
        if empty := [name for name in self.path if not self.separator_of(name).strip()]:
            msg = f"separators: the path {empty[0]} needs a separator"
            raise ValueError(msg)
        return self

    @classmethod
    def read(cls, path: Path | None, pairs: Iterable[str] = ()) -> Self:
        """Read the mapping from a TOML file and override it with `name=column` pairs.

        `facet.color=Farbe` is a facet's column, `facet.audience=gender:","` one with a separator of its own,
        `class=path:">"` a category path, and `renames=FILE` a file that `hangtag data merge` wrote.

        Raises:
            ColumnsError: a file cannot be read, or a name is unknown.
        """
        settings = read_toml(path) if path else {}
        try:
            return cls.model_validate(_with_pairs(settings, pairs, cls.model_fields))
        except ValidationError as error:
            msg = f"columns: {_reason(error, cls.model_fields)}"
            raise ColumnsError(msg) from error

    @property
    def has_label_columns(self) -> bool:
        """Whether labels are read from columns of their own, and not from the two lists `facets` and `tags`."""
        return bool(self.facet or self.path)

    def separator_of(self, facet: str) -> str:
        """The separator of a facet's values, or of a path's levels."""
        return self.separators.get(facet, _PATH_SEPARATOR if facet in self.path else self.separator)

    @property
    def used(self) -> frozenset[str]:
        """Every column that is read."""
        own = (*self.facet.values(), *self.path.values())
        labels = own if self.has_label_columns else (self.facets, self.tags)
        return frozenset(
            {self.product_id, self.title, self.description, self.merchant_category, *(labels if self.labelled else ())}
        )

    def missing_in(self, header: Sequence[str]) -> list[str]:
        """The required columns that a table's header lacks; text columns with their default names are optional."""
        texts = {name: getattr(self, name) for name in ("title", "description", "merchant_category")}
        optional = {column for name, column in texts.items() if column == name}
        return sorted(self.used - optional - set(header))


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file with columns or renames.

    Raises:
        ColumnsError: the file cannot be read.
    """
    try:
        return dict(parse_toml(path.read_bytes()))
    except OSError as error:
        msg = f"{path}: {error.strerror}"
        raise ColumnsError(msg) from error
    except TomlError as error:
        msg = f"{path}: not valid TOML: {error}"
        raise ColumnsError(msg) from error


def _with_pairs(settings: Mapping[str, Any], pairs: Iterable[str], known: Iterable[str]) -> dict[str, Any]:
    result = dict(settings)
    for pair in pairs:
        name, found, column = pair.partition("=")
        if not found:
            msg = f"columns: {pair!r} is not name=column"
            raise ColumnsError(msg)
        separated = _WITH_SEPARATOR.fullmatch(column)
        if name.startswith(_FACET):
            _add_label(result, "facet", name.removeprefix(_FACET), column, separated)
        elif name == "renames":
            result["renames"] = read_toml(Path(column)).get("renames", {})
        elif name not in known and separated:
            _add_label(result, "path", name, column, separated)
        else:
            result[name] = column
    return result


def _add_label(result: dict[str, Any], kind: str, name: str, column: str, separated: re.Match[str] | None) -> None:
    """Add the column of a facet or a path, and its separator, to the settings."""
    if not _FACET_NAME.fullmatch(name):
        msg = f"columns: {name!r} cannot be a facet's name: use up to 40 of a-z, 0-9 and _, with a letter first"
        raise ColumnsError(msg)
    added = {kind: separated["column"] if separated else column}
    if separated:
        added["separators"] = separated["separator"].strip("\"'")
    for table, value in added.items():
        before = result.get(table, {})
        if not isinstance(before, Mapping):
            msg = f"columns: {table} must be a table of facets and their columns, such as [{table}]"
            raise ColumnsError(msg)
        result[table] = {**before, name: value}


def _reason(error: ValidationError, known: Iterable[str]) -> str:
    """What is wrong with the mapping, as a sentence."""
    first = error.errors()[0]
    name = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return (
            f"there is no field {name!r}; fields are {', '.join(known)}; give a facet's column as facet.{name}=COLUMN, "
            f'and a category path as {name}=COLUMN:">"'
        )
    if first["type"] == "string_pattern_mismatch":
        facet = first["input"]
        return f"{facet!r} cannot be a facet's name: use up to 40 of a-z, 0-9 and _, with a letter first"
    reason = first["msg"].removeprefix("Value error, ")
    return f"{name}: {reason}" if name else reason

"""The manifest: what a bundle is, how it was made, and the hash of every file."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hangtag.bundle.encoder_config import EncoderConfig
from hangtag.bundle.errors import BundleError
from hangtag.bundle.files import FURTHER_FILES, MANIFEST, SECTION_FILES

FORMAT: Final = 2

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
SectionName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]


class Section(BaseModel):
    """One file of a bundle.

    A required section determines answers, and a reader that does not support it refuses the bundle. An optional section
    never changes an answer: a reader that does not support it ignores its content.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: FileName
    sha256: Sha256
    required: bool

    @classmethod
    def of(cls, file: str, content: bytes, *, required: bool) -> Self:
        """The entry for a file with this content."""
        return cls(file=file, sha256=hashlib.sha256(content).hexdigest(), required=required)


class Manifest(BaseModel):
    """`manifest.json`.

    `version` is the hash of what determines the bundle's answers (`version_of`); `integrity` is the hash of the
    complete manifest, so that any later change of it is detected.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[2]
    name: str = Field(min_length=1, max_length=200)
    version: Sha256
    integrity: Sha256
    created: str = Field(description="ISO 8601")
    base_model: str
    data_fingerprint: str
    encoder: EncoderConfig
    sections: dict[SectionName, Section]
    recipe: dict[str, Any] = Field(description="the training settings")
    metrics: dict[str, Any]

    @classmethod
    def create(
        cls,
        version: str,
        sections: Mapping[str, Section],
        *,
        name: str,
        created: str,
        base_model: str,
        data_fingerprint: str,
        recipe: Mapping[str, Any],
        metrics: Mapping[str, Any],
        encoder: EncoderConfig,
    ) -> Self:
        """A manifest with its integrity hash."""
        draft = cls(
            format=FORMAT,
            name=name,
            version=version,
            integrity="0" * 64,
            created=created,
            base_model=base_model,
            data_fingerprint=data_fingerprint,
            encoder=encoder,
            sections=dict(sections),
            recipe=dict(recipe),
            metrics=dict(metrics),
        )
        return draft.model_copy(update={"integrity": draft.integrity_hash()})

    @property
    def files(self) -> list[str]:
        """Every file of the bundle, the manifest first."""
        return [MANIFEST, *(section.file for section in self.sections.values())]

    def integrity_hash(self) -> str:
        """sha256, hex, of every field but `integrity` as canonical JSON."""
        fields = self.model_dump(mode="json", exclude={"integrity"})
        return hashlib.sha256(json.dumps(fields, sort_keys=True, allow_nan=False).encode()).hexdigest()

    def check_sections(self) -> None:
        """Check that this version of hangtag can read the sections.

        Raises:
            BundleError: a section that every bundle has is missing, optional or in another file, an unknown section is
                required, or two sections share a file.
        """
        for name, file in SECTION_FILES.items():
            section = self.sections.get(name)
            if section is None or not section.required or section.file != file:
                msg = f"{MANIFEST} must list {file} as the required section {name!r}; create the bundle again"
                raise BundleError(msg)
        for name, section in self.sections.items():
            if section.required and name not in SECTION_FILES and section.file != FURTHER_FILES.get(name):
                msg = f"{MANIFEST} requires the section {name!r}, which this hangtag does not support; upgrade hangtag"
                raise BundleError(msg)
        file, count = Counter(self.files).most_common(1)[0]
        if count > 1:
            msg = f"{MANIFEST} lists {file} {count} times; create the bundle again"
            raise BundleError(msg)

    def to_json(self) -> str:
        """The text of `manifest.json`."""
        return json.dumps(self.model_dump(mode="json"), ensure_ascii=False, indent=1, allow_nan=False) + "\n"

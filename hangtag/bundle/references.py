"""The optional section `references`: texts, and the tags that the bundle gives them where it was made.

A process that loads the bundle tags them again: if other tags come out, the bundle does not work there, for example
because of the engine or the device, and is not used.
"""

from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from hangtag.bundle.errors import naming
from hangtag.bundle.files import MANIFEST
from hangtag.bundle.load import parse, read_manifest, verified_file
from hangtag.bundle.manifest import Manifest, Section
from hangtag.bundle.place import put_bundle
from hangtag.text.kind import TextKind

REFERENCES: Final = "references"
_FILE: Final = "references.json"
_MOST = 1_000
_MAX_CHARS = 10_000


class ReferenceText(BaseModel):
    """One text. `tags` (AUTO) and `review` are those that the bundle gives it, with their confidences."""

    model_config = ConfigDict(frozen=True)

    kind: TextKind = TextKind.PRODUCT
    title: str = Field(min_length=1, max_length=_MAX_CHARS)
    description: str = Field(default="", max_length=_MAX_CHARS)
    merchant_category: str = Field(default="", max_length=_MAX_CHARS)
    tags: dict[str, float] = Field(default_factory=dict)
    review: dict[str, float] = Field(default_factory=dict)


class References(BaseModel):
    """The section: at least one text, at most 1,000."""

    model_config = ConfigDict(frozen=True)

    texts: tuple[ReferenceText, ...] = Field(min_length=1, max_length=_MOST)


def read_references(folder: Path) -> References | None:
    """The reference texts of a bundle; None: it has none.

    Raises:
        BundleError: the manifest or the section is missing, damaged or not valid.
    """
    with naming(folder):
        section = read_manifest(folder).sections.get(REFERENCES)
        if section is None:
            return None
        return parse(References, section.file, verified_file(folder, section.file, section.sha256))


def add_references(source: Path, folder: Path, references: References) -> Manifest:
    """Write the bundle in `source` to `folder`, with these reference texts in place of any others.

    Nothing else changes, and so do neither the answers nor the version.

    Raises:
        BundleError: `source` is not an undamaged bundle, or `folder` holds something else than a bundle.
        OSError: a file cannot be written.
    """
    with naming(source):
        old = read_manifest(source)
        content = {
            section.file: verified_file(source, section.file, section.sha256)
            for name, section in old.sections.items()
            if name != REFERENCES
        }
    text = references.model_dump_json(indent=1).encode()
    kept = {name: section for name, section in old.sections.items() if name != REFERENCES}
    manifest = Manifest.create(
        old.version,
        {**kept, REFERENCES: Section.of(_FILE, text, required=False)},
        name=old.name,
        created=old.created,
        base_model=old.base_model,
        data_fingerprint=old.data_fingerprint,
        recipe=old.recipe,
        metrics=old.metrics,
        encoder=old.encoder,
    )
    put_bundle(folder, {**content, _FILE: text, MANIFEST: manifest.to_json().encode()})
    return manifest

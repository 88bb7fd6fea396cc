"""What people are told about the tags of a bundle; its answers and its version stay the same."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hangtag.bundle.errors import BundleError, naming
from hangtag.bundle.files import SCHEMA
from hangtag.bundle.load import parse, read_manifest, shortened, verified_file
from hangtag.bundle.manifest import Manifest
from hangtag.bundle.place import put_bundle
from hangtag.bundle.write import files_of
from hangtag.tags.schema import TagSchema


def describe_bundle(source: Path, folder: Path, about: Mapping[str, Any], sensitive: Sequence[str]) -> Manifest:
    """Write the bundle in `source` with other descriptions to `folder`, which may be the same.

    `about` has what `TagSchema.about` has, by facet or tag; it replaces what the bundle had for these names.
    `sensitive` replaces the sensitive facets and tags. All other files are copied as they are.

    Raises:
        BundleError: `source` does not hold an undamaged bundle, a name is not one of its facets or tags, or a
            description is not valid.
        OSError: a file cannot be written.
    """
    with naming(source):
        old = read_manifest(source)
        content = {name: verified_file(source, section.file, section.sha256) for name, section in old.sections.items()}
        schema = parse(TagSchema, SCHEMA, content["schema"])
    fields = schema.model_dump(exclude={"about", "sensitive"})
    try:
        described = TagSchema(**fields, about={**schema.about, **about}, sensitive=tuple(sensitive))
    except ValueError as error:
        msg = f"the descriptions do not fit the bundle: {shortened(error)}"
        raise BundleError(msg) from error
    content["schema"] = described.to_json().encode()
    digest = hashlib.sha256(content["schema"]).hexdigest()
    section = old.sections["schema"].model_copy(update={"sha256": digest})
    draft = old.model_copy(update={"sections": {**old.sections, "schema": section}})
    manifest = draft.model_copy(update={"integrity": draft.integrity_hash()})
    put_bundle(folder, files_of(manifest, content))
    return manifest

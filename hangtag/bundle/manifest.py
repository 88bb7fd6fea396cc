"""The manifest: what a bundle is, how it was made, and the hash of every file."""

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from hangtag.bundle.encoder_config import EncoderConfig

FORMAT: Final = 1

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Manifest(BaseModel):
    """`manifest.json`. `version` is the hash of all content, so that any change changes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1]
    name: str = Field(min_length=1, max_length=200)
    version: Sha256
    created: str = Field(description="ISO 8601")
    base_model: str
    data_fingerprint: str
    recipe: dict[str, Any] = Field(description="the training settings")
    metrics: dict[str, Any]
    encoder: EncoderConfig
    files: dict[str, Sha256] = Field(description="sha256 of every other file")

    @classmethod
    def of(
        cls,
        files: Mapping[str, str],
        *,
        name: str,
        created: str,
        base_model: str,
        data_fingerprint: str,
        recipe: Mapping[str, Any],
        metrics: Mapping[str, Any],
        encoder: EncoderConfig,
    ) -> Self:
        """A manifest whose version fits its content. `files` maps file names to sha256."""
        draft = cls(
            format=FORMAT,
            name=name,
            version="0" * 64,
            created=created,
            base_model=base_model,
            data_fingerprint=data_fingerprint,
            recipe=dict(recipe),
            metrics=dict(metrics),
            encoder=encoder,
            files=dict(files),
        )
        return draft.model_copy(update={"version": draft.content_hash()})

    def content_hash(self) -> str:
        """sha256, hex, over the sorted lines `file name, sha256` and everything the manifest itself says."""
        own = self.model_dump(mode="json", exclude={"version", "files"})
        lines = [f"{file} {digest}" for file, digest in sorted(self.files.items())]
        lines.append(json.dumps(own, ensure_ascii=True, sort_keys=True, allow_nan=False))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def to_json(self) -> str:
        """The text of `manifest.json`."""
        return json.dumps(self.model_dump(mode="json"), ensure_ascii=False, indent=1, allow_nan=False) + "\n"

"""Settings of the index of search."""

from pathlib import Path

from pydantic import Field

from hangtag.settings.group import Group, Port


class IndexSettings(Group):
    """The index of search: products by their tags."""

    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="Address that the index listens on; it asks callers for nothing, so only servers may reach it",
    )
    port: Port = Field(default=50_061, description="Port that the index listens on; 0: any free port")
    snapshot_dir: Path | None = Field(
        default=None,
        description="Folder of the file from which the index starts again; unset: it reads the whole topic",
    )
    snapshot_every_s: float = Field(
        default=600, ge=10, le=86_400, description="How often the snapshot is written, if anything has changed"
    )
    max_concurrent: int = Field(
        default=256, ge=1, description="Most calls at a time; further calls are refused with RESOURCE_EXHAUSTED"
    )
    grace_s: float = Field(
        default=5, ge=0, description="How long running calls may take to finish when the index stops"
    )
    metrics_host: str = Field(
        default="127.0.0.1", min_length=1, description="Address that metrics and health listen on"
    )
    metrics_port: Port = Field(default=9_104, description="Port for metrics and health over HTTP; 0: any free port")

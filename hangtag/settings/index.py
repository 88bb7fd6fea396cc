"""Settings of the index of search, and of servers that ask it."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, StringConstraints

from hangtag.settings.group import Group, Port


class IndexSettings(Group):
    """The index of search: products by their tags."""

    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="Address that the index listens on; one that other machines reach needs index.tls_cert_file",
    )
    port: Port = Field(default=50_061, description="Port that the index listens on; 0: any free port")
    tls_cert_file: Path | None = Field(
        default=None,
        description="PEM file of the index's certificate and its chain; set: servers use TLS; read again when it "
        "changes",
    )
    tls_key_file: Path | None = Field(
        default=None, description="PEM file of the key of index.tls_cert_file; unset: it is in that file"
    )
    tls_client_ca_file: Path | None = Field(
        default=None,
        description="PEM file of the certificate authority of servers; set: they must have a certificate (mutual TLS)",
    )
    tokens_file: Path | None = Field(
        default=None,
        description="File with the tokens of servers (`hangtag token new --scope search`); unset: none is asked for; "
        "read again when it changes",
    )
    allow_plain: bool = Field(
        default=False,
        description="Listen without TLS on an address that other machines reach, where something else protects it",
    )
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


class IndexLinkSettings(Group):
    """How a server asks the index."""

    index_address: Annotated[str, StringConstraints(pattern=r"^none$|^[^\s,]+:[0-9]{1,5}$")] = Field(
        default="127.0.0.1:50061",
        description="Address (host:port) of `hangtag index serve`, which searches are passed on to; none: no searches",
    )
    index_token: SecretStr | None = Field(
        default=None, description="Token that this server sends to the index, if it has index.tokens_file"
    )
    index_tls: bool = Field(default=False, description="Use TLS to the index; set where it has index.tls_cert_file")
    index_ca_file: Path | None = Field(
        default=None, description="PEM file of the certificate authority of the index; unset: the system's"
    )
    index_cert_file: Path | None = Field(
        default=None, description="PEM file of this server's certificate, if the index asks for one (mutual TLS)"
    )
    index_key_file: Path | None = Field(
        default=None, description="PEM file of the key of server.index_cert_file; unset: it is in that file"
    )
    index_allow_plain: bool = Field(
        default=False,
        description="Ask an index on another machine without TLS, where something else protects the connection",
    )

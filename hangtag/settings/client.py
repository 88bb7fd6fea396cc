"""Settings of commands that call a server."""

from pathlib import Path

from pydantic import Field, SecretStr

from hangtag.settings.group import Group


class ClientSettings(Group):
    """How commands such as `hangtag tags` call a server."""

    token: SecretStr | None = Field(default=None, description="Token that commands send, if the server asks for one")
    tls: bool = Field(default=False, description="Use TLS; set where the server has server.tls_cert_file")
    ca_file: Path | None = Field(
        default=None, description="PEM file of the certificate authority of the server; unset: the system's"
    )
    cert_file: Path | None = Field(
        default=None, description="PEM file of the certificate of commands, if the server asks for one (mutual TLS)"
    )
    key_file: Path | None = Field(
        default=None, description="PEM file of the key of client.cert_file; unset: it is in that file"
    )

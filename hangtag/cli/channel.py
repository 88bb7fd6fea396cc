"""Connections of commands to a server, with TLS and a token where the settings say so."""

from collections.abc import Sequence

import grpc

from hangtag.settings import ClientSettings
from hangtag.settings.tls import tls_options

Metadata = tuple[tuple[str, str], ...]


def open_channel(
    address: str, settings: ClientSettings, options: Sequence[tuple[str, object]] | None = None
) -> grpc.Channel:
    """A channel to `host:port`.

    Raises:
        SettingsError: a file for TLS is missing or cannot be used.
    """
    tls_options(settings, is_encrypted=settings.tls, switch="set HANGTAG_CLIENT__TLS=true")
    if not settings.tls:
        return grpc.insecure_channel(address, options)
    key = settings.key_file or settings.cert_file
    files = (settings.ca_file, key, settings.cert_file)
    credentials = grpc.ssl_channel_credentials(*(None if file is None else file.read_bytes() for file in files))
    return grpc.secure_channel(address, credentials, options)


def metadata_of(settings: ClientSettings) -> Metadata:
    """What commands send with each call: their token, if they have one."""
    return () if settings.token is None else (("authorization", f"Bearer {settings.token.get_secret_value()}"),)

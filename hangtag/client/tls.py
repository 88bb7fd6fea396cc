"""TLS of the client's connections."""

from dataclasses import dataclass
from pathlib import Path

import grpc

from hangtag.client.errors import SettingError


@dataclass(frozen=True, slots=True, repr=False)
class TlsFiles:
    """What was in the files of `Tls`."""

    ca: bytes | None
    key: bytes | None
    cert: bytes | None
    server_name: str | None

    def credentials(self) -> grpc.ChannelCredentials:
        """What gRPC needs for a channel."""
        return grpc.ssl_channel_credentials(self.ca, self.key, self.cert)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How a client checks its servers, and what it shows of itself. Files are PEM, and read when the client is made.

    Attributes:
        ca_file: the authority that signed the servers' certificates; None: those that gRPC brings along.
        cert_file: this client's own certificate and its chain, where servers ask for one (mutual TLS).
        key_file: the key of `cert_file`; None: it is in that file.
        server_name: the name that the servers' certificates have, where it is not the one in the address.
    """

    ca_file: str | Path | None = None
    cert_file: str | Path | None = None
    key_file: str | Path | None = None
    server_name: str | None = None

    def read(self) -> TlsFiles:
        """Read the files.

        Raises:
            SettingError: one cannot be read, or is not PEM.
        """
        if self.key_file is not None and self.cert_file is None:
            msg = "tls: key_file is set without cert_file; name the certificate of the key too"
            raise SettingError(msg)
        cert = _read("cert_file", self.cert_file)
        key = cert if self.key_file is None else _read("key_file", self.key_file)
        return TlsFiles(_read("ca_file", self.ca_file), key, cert, self.server_name)


def _read(name: str, path: str | Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        found = Path(path).read_bytes()
    except OSError as error:
        msg = f"tls: {name} {str(path)!r} cannot be read: {error.strerror}"
        raise SettingError(msg) from error
    if b"-----BEGIN" not in found:
        # gRPC would only say later that no server can be reached.
        msg = f"tls: {name} {str(path)!r} is not a PEM file (it has no line -----BEGIN ...)"
        raise SettingError(msg)
    return found

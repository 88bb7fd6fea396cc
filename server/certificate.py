"""The certificate for TLS of a server or of the index, read again when its files change."""

import ssl
from collections.abc import Callable
from pathlib import Path

import grpc

from hangtag.access import FileStamp, stamp_of
from hangtag.server.errors import ServerError
from hangtag.settings import IndexSettings, ServerSettings, variable_of
from hangtag.telemetry import get_log, metrics

# The variable of a setting of a group.
Named = Callable[[str], str]

_log = get_log(__name__)


def credentials_of(settings: ServerSettings | IndexSettings) -> grpc.ServerCredentials | None:
    """What the server or the index shows callers, and asks of them; None without TLS.

    Raises:
        ServerError: a file is missing or cannot be used.
    """
    if settings.tls_cert_file is not None:
        return _Certificate(settings, settings.tls_cert_file).credentials()
    named = _names_of(settings)
    for leaf in ("tls_key_file", "tls_client_ca_file"):
        if getattr(settings, leaf) is not None:
            msg = f"{named(leaf)} is set without {named('tls_cert_file')}; set both, or neither"
            raise ServerError(msg)
    return None


class _Certificate:
    """The certificate, its key, and the authority of callers."""

    def __init__(self, settings: ServerSettings | IndexSettings, cert: Path) -> None:
        self._cert = cert
        self._named = _names_of(settings)
        self._key = settings.tls_key_file or cert
        self._client_ca = settings.tls_client_ca_file
        self._files = tuple({cert, self._key, *(() if self._client_ca is None else (self._client_ca,))})
        self._stamp = self._stamp_now()
        self._first = self._read()

    def credentials(self) -> grpc.ServerCredentials:
        asks = self._client_ca is not None
        return grpc.dynamic_ssl_server_credentials(self._first, self._changed, asks)  # type: ignore[arg-type] # or None

    def _changed(self) -> grpc.ServerCertificateConfiguration | None:
        """What new connections use from now on; None if nothing has changed. gRPC asks before every handshake."""
        stamp = self._stamp_now()
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        try:
            read = self._read()
        except ServerError as error:
            metrics.RELOADS.labels("certificate", "failed").inc()
            _log.error("certificate_not_read", reason=str(error), next="the one that was read before stays in use")
            return None
        metrics.RELOADS.labels("certificate", "read").inc()
        return read

    def _stamp_now(self) -> FileStamp | None:
        try:
            return stamp_of(*self._files)
        except OSError:
            return None

    def _read(self) -> grpc.ServerCertificateConfiguration:
        key, chain = self._key.read_bytes, self._cert.read_bytes
        check_pair(self._cert, self._key, self._named)
        if self._client_ca is None:
            config = grpc.ssl_server_certificate_configuration([(key(), chain())])
        else:
            check_authority(self._client_ca, self._named)
            config = grpc.ssl_server_certificate_configuration([(key(), chain())], self._client_ca.read_bytes())
        _log.info("certificate_read", file=str(self._cert), client_ca=str(self._client_ca or ""))
        return config


def of_server(leaf: str) -> str:
    """The variable of a setting of the server."""
    return variable_of(f"server.{leaf}")


def check_pair(cert: Path, key: Path, named: Named = of_server) -> None:
    """Raise `ServerError` if a certificate cannot be used with a key."""
    _check_readable(named("tls_cert_file"), cert)
    _check_readable(named("tls_key_file"), key)
    try:
        # With a password OpenSSL does not ask for one on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, "")
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or "not in PEM format, or the key has a password"
        msg = (
            f"{named('tls_cert_file')}: {cert} cannot be used with the key in {key} ({reason}); both must be PEM and "
            "belong together, and the key must have no password"
        )
        raise ServerError(msg) from None


def check_authority(file: Path, named: Named = of_server) -> None:
    """Raise `ServerError` if a file holds no certificate of an authority."""
    _check_readable(named("tls_client_ca_file"), file)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(file)
    except (ssl.SSLError, ValueError):
        msg = f"{named('tls_client_ca_file')}: {file} holds no certificate in PEM format; set it to one that does"
        raise ServerError(msg) from None


def _check_readable(variable: str, path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        msg = f"{variable}: {path}: {error.strerror}; set it to a PEM file that this program may read"
        raise ServerError(msg) from error


def _names_of(settings: ServerSettings | IndexSettings) -> Named:
    group = "index" if isinstance(settings, IndexSettings) else "server"
    return lambda leaf: variable_of(f"{group}.{leaf}")

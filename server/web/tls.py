"""TLS of HTTP with the certificate of `server.tls_cert_file`, read again when its files change."""

import ssl
from pathlib import Path

from hangtag.access import FileStamp, stamp_of
from hangtag.server.certificate import check_authority, check_pair
from hangtag.server.errors import ServerError
from hangtag.settings import ServerSettings
from hangtag.telemetry import get_log, metrics

_log = get_log(__name__)


class HttpTls:
    """The context of connections: what a handshake uses is what was read last.

    Raises:
        ServerError: a file is missing or cannot be used.
    """

    def __init__(self, settings: ServerSettings, cert: Path) -> None:
        self._cert = cert
        self._key = settings.tls_key_file or cert
        self._client_ca = settings.tls_client_ca_file
        self._files = [cert, self._key, *(() if self._client_ca is None else (self._client_ca,))]
        self._stamp = self._stamp_now()
        self.context = self._newest = self._read()
        # Called in every handshake, also where the client names no server.
        self.context.sni_callback = self._choose

    def refresh(self) -> None:
        """Read the files again if they have changed; what cannot be read leaves what was read before."""
        stamp = self._stamp_now()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._newest = self._read()
        except ServerError as error:
            metrics.RELOADS.labels("certificate", "failed").inc()
            _log.error("certificate_not_read", reason=str(error), next="the one that was read before stays in use")
        else:
            metrics.RELOADS.labels("certificate", "read").inc()

    def _choose(self, connection: ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
        connection.context = self._newest

    def _stamp_now(self) -> FileStamp | None:
        try:
            return stamp_of(*self._files)
        except OSError:
            return None

    def _read(self) -> ssl.SSLContext:
        check_pair(self._cert, self._key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self._cert, self._key)
        if self._client_ca is not None:
            check_authority(self._client_ca)
            context.load_verify_locations(self._client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

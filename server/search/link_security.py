"""What a server shows the index, and whether it may be asked without TLS."""

import grpc

from hangtag.access.exposure import is_loopback
from hangtag.server.errors import ServerError
from hangtag.settings import IndexLinkSettings, SettingsError, variable_of
from hangtag.settings.tls import tls_options


def credentials_of_link(settings: IndexLinkSettings) -> grpc.ChannelCredentials | None:
    """What the connection to the index is encrypted with; None: it is not.

    Raises:
        ServerError: it would leave this machine unencrypted and `server.index_allow_plain` is not set, or a file for
            TLS cannot be used.
    """
    switch = f"set {variable_of('server.index_tls')}=true"
    try:
        files = tls_options(settings, is_encrypted=settings.index_tls, switch=switch)
    except SettingsError as error:
        raise ServerError(str(error)) from error
    host = settings.index_address.rpartition(":")[0]
    if not settings.index_tls:
        if not settings.index_allow_plain and not is_loopback(host):
            msg = (
                f"server.index_address is {settings.index_address}, so searches would travel to another machine "
                f"unencrypted: {switch}, or {variable_of('server.index_allow_plain')}=true where something else "
                "protects the connection"
            )
            raise ServerError(msg)
        return None
    key = settings.index_key_file or settings.index_cert_file
    chosen = (settings.index_ca_file, key if "cert_file" in files else None, settings.index_cert_file)
    return grpc.ssl_channel_credentials(*(None if file is None else file.read_bytes() for file in chosen))

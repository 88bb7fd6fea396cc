"""How open a server is to whoever reaches it."""

import socket
from ipaddress import ip_address

from hangtag.settings import ServerSettings, variable_of

_REQUIRED = "server.require_auth is set"


def cautions(settings: ServerSettings) -> list[str]:
    """What is risky about these settings, each with what to do; empty for a server that only this machine reaches."""
    if is_loopback(settings.host):
        return []
    reached = f"server.host is {settings.host}, so other machines reach this server, and"
    host = f"or keep it to this machine with {_set('host', '127.0.0.1')}"
    found = []
    if not _asks_who_calls(settings):
        found.append(f"{reached} it answers everyone: set {_name('tokens_file')} (see `hangtag token new`), {host}")
    if settings.tls_cert_file is None:
        what = "calls" if settings.tokens_file is None else "calls and tokens"
        found.append(f"{reached} {what} travel unencrypted: set {_name('tls_cert_file')}, {host}")
    return found


def refusal(settings: ServerSettings) -> str | None:
    """Why `server.require_auth` forbids these settings; None if it does not."""
    if not settings.require_auth:
        return None
    if not _asks_who_calls(settings):
        return f"{_REQUIRED}: set {_name('tokens_file')}, or {_name('tls_client_ca_file')} for mutual TLS"
    return next((f"{_REQUIRED}: {caution}" for caution in cautions(settings)), None)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address; a name that cannot be resolved may be anything."""
    try:
        found = {each[4][0] for each in socket.getaddrinfo(host.strip("[]"), None)}
    except OSError:
        return False
    return all(ip_address(str(each).partition("%")[0]).is_loopback for each in found)


def _asks_who_calls(settings: ServerSettings) -> bool:
    return settings.tokens_file is not None or settings.tls_client_ca_file is not None


def _name(leaf: str) -> str:
    return variable_of(f"server.{leaf}")


def _set(leaf: str, value: str) -> str:
    return f"{_name(leaf)}={value}"

"""Servers that ask who calls: with tokens, and with TLS and tokens."""

from pathlib import Path

from benchmarks.server.stage import Server
from hangtag.access import Scope, add_token, new_token
from tests.certificates import make_certificates

# A server that has others beside the one that calls.
_TOKENS = 100


def secured(redis: str, folder: Path) -> dict[str, Server]:
    """Started servers by their names; `_tls` with a certificate of RSA, 2,048 bits. Needs the openssl command."""
    made = make_certificates(folder)
    tokens_file = folder / "tokens.jsonl"
    tokens = [new_token(f"client-{number}", [Scope.READ, Scope.SUGGEST]) for number in range(_TOKENS)]
    for each in tokens:
        add_token(tokens_file, each.token)
    asks = {"server.tokens_file": str(tokens_file)}
    tls = {"server.tls_cert_file": str(made.server_cert), "server.tls_key_file": str(made.server_key)}

    def start(name: str, transport: str, more: dict[str, str], ca_file: str = "") -> Server:
        settings = {"server.transport": transport, **asks, **more}
        return Server(name, redis, folder, settings, token=tokens[-1].text, ca_file=ca_file)

    started = (
        start("grpcio_tokens", "grpcio", {}),
        start("grpcio_tls_tokens", "grpcio", tls, str(made.ca)),
        start("native_tokens", "native", {}),
    )
    return {server.name: server for server in started}

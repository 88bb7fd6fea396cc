"""Clients of a server with mutual TLS and tokens."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from hangtag.access import NewToken, Scope, add_token, new_token
from hangtag.client import Tls, UnauthenticatedError, UnavailableError
from hangtag.settings import RedisSettings
from tests.certificates import Certificates
from tests.integration.server.client.parts import Make
from tests.integration.server.parts import FakeTagger, serving, settings_for


@pytest.fixture(scope="module")
def reader() -> NewToken:
    return new_token("search", [Scope.READ])


@pytest.fixture(scope="module")
def encrypted(
    loop: asyncio.AbstractEventLoop,
    redis_settings: RedisSettings,
    reader: NewToken,
    certificates: Certificates,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """The address of a server with mutual TLS and tokens."""
    tokens_file = tmp_path_factory.mktemp("tokens") / "tokens.jsonl"
    add_token(tokens_file, reader.token)
    settings = settings_for(
        redis_settings,
        tokens_file=tokens_file,
        tls_cert_file=certificates.server_cert,
        tls_key_file=certificates.server_key,
        tls_client_ca_file=certificates.ca,
        require_auth=True,
    )
    with serving(loop, settings, FakeTagger()) as served:
        yield f"127.0.0.1:{served.port}"


def test_mutual_tls_and_a_token(
    make: Make, encrypted: str, certificates: Certificates, reader: NewToken, tmp_path: Path
) -> None:
    own = {"cert_file": certificates.client_cert, "key_file": certificates.client_key}
    both = tmp_path / "both.pem"
    both.write_bytes(certificates.client_cert.read_bytes() + certificates.client_key.read_bytes())

    for tls in (Tls(ca_file=certificates.ca, **own), Tls(ca_file=str(certificates.ca), cert_file=both)):
        assert not make(encrypted, tls=tls, token=reader.text).get("p").is_known
    with pytest.raises(UnauthenticatedError):
        make(encrypted, tls=tls).get("p")
    for wrong in (False, True, Tls(**own), Tls(ca_file=certificates.ca)):
        with pytest.raises(UnavailableError, match=r"tls=True"):
            make(encrypted, tls=wrong, retries=None).get("p")
    # The certificate is for 127.0.0.1, not for this name; a setting says that it is meant nevertheless.
    name = encrypted.replace("127.0.0.1", "localhost")
    with pytest.raises(UnavailableError):
        make(name, tls=Tls(ca_file=certificates.ca, **own), retries=None).get("p")
    named = Tls(ca_file=certificates.ca, server_name="127.0.0.1", **own)
    assert not make(name, tls=named, token=reader.text).get("p").is_known

"""The store over TLS with an authority of one's own, and with a server that asks for client certificates.

A real Redis speaks TLS; the local Valkey has none, so a forwarder in front of it has.
"""

import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from hangtag.cli.local import LocalServer, free_port, start_valkey
from hangtag.settings import RedisSettings, SettingsError
from hangtag.store import Outcome, RedisTagReader, RedisTagStore, Reply, StoreError
from tests.certificates import Certificates, make_certificates
from tests.cluster import until
from tests.forwarder import forwarding
from tests.redis_tls import start_redis_tls
from tests.store_behaviour import tags


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    with start_valkey(tmp_path_factory.mktemp("valkey")) as valkey:
        yield valkey


@pytest.fixture(scope="module")
def redis_tls(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[tuple[int, Path]]:
    """The port of a real Redis with TLS, and its socket without."""
    folder = tmp_path_factory.mktemp("redis")
    with start_redis_tls(folder, certificates) as server:
        yield server.port, folder / "redis.sock"


def ask_for_certificates(socket: Path, answer: str) -> None:
    with redis.Redis(unix_socket_path=str(socket)) as admin:
        admin.config_set("tls-auth-clients", answer)


@pytest.fixture(params=["no", "yes"], ids=["server-certificate", "client-certificates"])
def asks(request: pytest.FixtureRequest) -> str:
    """Whether the server asks for client certificates."""
    return request.param


@pytest.fixture(params=["valkey", "redis"])
def port(request: pytest.FixtureRequest, certificates: Certificates, asks: str) -> Iterator[int]:
    """A port of a store with TLS."""
    if request.param == "redis":
        found, socket = request.getfixturevalue("redis_tls")
        ask_for_certificates(socket, asks)
        yield found
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server_cert, certificates.server_key)
    if asks == "yes":
        context.load_verify_locations(certificates.ca)
        context.verify_mode = ssl.CERT_REQUIRED
    with forwarding(request.getfixturevalue("valkey").port, context) as forwarder:
        yield forwarder.port


def url_of(port: int) -> str:
    return f"rediss://127.0.0.1:{port}/0"


def use(config: RedisSettings) -> list[Reply]:
    """Both clients; the answer to a write."""
    with closing(RedisTagReader(config)) as reader:
        reader.read(["p"])
    with closing(RedisTagStore(config)) as store:
        return store.write([tags(1)])


@pytest.mark.parametrize("key", ["client_key", "client_locked_key"])
def test_both_clients_connect_with_the_files_of_the_settings(port: int, certificates: Certificates, key: str) -> None:
    config = RedisSettings(
        url=url_of(port),
        ca_file=certificates.ca,
        cert_file=certificates.client_cert,
        key_file=getattr(certificates, key),
        key_password="hunter2" if key == "client_locked_key" else None,
    )

    assert use(config)[0].outcome in (Outcome.WRITTEN, Outcome.SAME)


def test_a_cluster_is_reached_with_the_files_of_the_settings(tmp_path: Path, certificates: Certificates) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server_cert, certificates.server_key)
    options = {"cluster-enabled": "yes", "cluster-port": str(free_port()), "databases": "1"}
    with start_valkey(tmp_path, options) as node, forwarding(node.port, context) as forwarder:
        with redis.Redis(port=node.port) as client:
            client.config_set("cluster-announce-ip", "127.0.0.1")
            client.config_set("cluster-announce-port", forwarder.port)
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
        url = f"rediss://127.0.0.1:{forwarder.port},127.0.0.1:{forwarder.port}/0"

        until(lambda: use(RedisSettings(url=url, ca_file=certificates.ca)) is not None, StoreError)
        with pytest.raises(StoreError, match=r"cannot be reached over TLS.*HANGTAG_REDIS__CA_FILE"):
            use(RedisSettings(url=url))


def test_an_authority_that_is_not_known_is_named(port: int) -> None:
    with pytest.raises(StoreError, match=r"cannot be reached over TLS.*HANGTAG_REDIS__CA_FILE"):
        use(RedisSettings(url=url_of(port)))


def test_renewed_certificates_are_used_by_the_next_connection(
    redis_tls: tuple[int, Path], certificates: Certificates, tmp_path: Path
) -> None:
    """The files are written over, as a certificate manager does before the old ones end."""
    port, socket = redis_tls
    ask_for_certificates(socket, "yes")
    config = RedisSettings(
        url=url_of(port),
        ca_file=certificates.ca,
        cert_file=tmp_path / "tls.crt",
        key_file=tmp_path / "tls.key",
    )
    other = make_certificates(tmp_path)  # of an authority that the server does not know
    config.cert_file.write_bytes(other.client_cert.read_bytes())
    config.key_file.write_bytes(other.client_key.read_bytes())
    with closing(RedisTagReader(config)) as reader:
        with pytest.raises(StoreError):
            reader.read(["p"])

        config.cert_file.write_bytes(certificates.client_cert.read_bytes())
        config.key_file.write_bytes(certificates.client_key.read_bytes())
        until(lambda: reader.read(["p"]) is not None, StoreError)


def wrong(certificates: Certificates) -> dict[str, tuple[dict[str, object], str]]:
    missing = certificates.folder / "missing.pem"
    pair = {"cert_file": certificates.client_cert, "key_file": certificates.client_locked_key}
    return {
        "ca": ({"ca_file": missing}, "CA_FILE: .*missing.pem: No such file"),
        "cert": ({"cert_file": missing}, "CERT_FILE: .*missing.pem: No such file"),
        "key": ({**pair, "key_file": missing}, "KEY_FILE: .*missing.pem: No such file"),
        "no certificate": ({"ca_file": certificates.client_key}, "CA_FILE: .* holds no certificate in PEM format"),
        "no key": ({"cert_file": certificates.client_cert}, "CERT_FILE: .* cannot be used with the key in"),
        "key of another": ({**pair, "key_file": certificates.server_key}, "KEY_VALUES_MISMATCH"),
        "no password": (pair, "KEY_PASSWORD must be the key's password"),
        "key alone": ({"key_file": certificates.client_key}, "KEY_FILE is set without HANGTAG_REDIS__CERT_FILE"),
        "not encrypted": ({"url": "redis://cache", "ca_file": certificates.ca}, "CA_FILE .* not encrypted.*rediss://"),
    }


@pytest.mark.parametrize(
    "case",
    ["ca", "cert", "key", "no certificate", "no key", "key of another", "no password", "key alone", "not encrypted"],
)
def test_a_file_that_cannot_be_used_is_named_before_anything_connects(certificates: Certificates, case: str) -> None:
    changed, message = wrong(certificates)[case]
    config = RedisSettings(**{"url": "rediss://127.0.0.1:1/0", **changed})

    for kind in (RedisTagStore, RedisTagReader):
        with pytest.raises(SettingsError, match=f"HANGTAG_REDIS__.*{message}"):
            kind(config)

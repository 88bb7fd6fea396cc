"""TLS and mutual TLS: who gets in, certificates that are renewed, and connections that say nothing."""

import asyncio
import json
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs
from typer.testing import CliRunner

from hangtag.access import Scope, add_token, exposure, new_token
from hangtag.cli.app import app
from hangtag.cli.errors import CommandError
from hangtag.server import ServerError, listener
from hangtag.settings import RedisSettings
from hangtag.telemetry import metrics
from hangtag.v1 import tags_pb2, tags_pb2_grpc
from tests.certificates import Certificates, make_certificates
from tests.integration.server.behaviour.peer import Peer
from tests.integration.server.parts import Code, FakeTagger, Served, serving, settings_for

ROOT = Path(__file__).resolve().parents[3]
REQUEST = tags_pb2.BatchGetProductTagsRequest(product_ids=["never"])
# gRPC keeps the sessions of TLS: without them every connection shows the certificate again.
OPTIONS = [("grpc.use_local_subchannel_pool", 1)]


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("old"))


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Those of another authority."""
    return make_certificates(tmp_path_factory.mktemp("new"))


@pytest.fixture
def live(tmp_path: Path, old: Certificates) -> Certificates:
    """The files that a server uses."""
    return put(old, tmp_path)


@pytest.fixture(scope="module")
def store_settings(valkey_url: str) -> RedisSettings:
    return RedisSettings(url=valkey_url)


@pytest.fixture(scope="module")
def encrypted(
    loop: asyncio.AbstractEventLoop,
    store_settings: RedisSettings,
    old: Certificates,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Served, str]]:
    """A server with TLS and tokens, and a token."""
    made, tokens_file = new_token("search", [Scope.READ]), tmp_path_factory.mktemp("tokens") / "tokens.jsonl"
    add_token(tokens_file, made.token)
    limits = {**server_files(old), "tokens_file": tokens_file, "require_auth": True}
    with serving(loop, settings_for(store_settings, **limits), FakeTagger()) as served:
        yield served, made.text


@pytest.fixture(scope="module")
def mutual(loop: asyncio.AbstractEventLoop, store_settings: RedisSettings, old: Certificates) -> Iterator[Served]:
    limits = {**server_files(old), "tls_client_ca_file": old.ca, "require_auth": True}
    with serving(loop, settings_for(store_settings, **limits), FakeTagger()) as served:
        yield served


def put(made: Certificates, folder: Path) -> Certificates:
    """Replace the files in a folder, each at once, as Kubernetes and certbot do."""
    for source in made.folder.glob("*.pem"):
        copy = folder / f"{source.name}.new"
        shutil.copy(source, copy)
        copy.replace(folder / source.name)
    return Certificates(folder)


def server_files(made: Certificates) -> dict[str, object]:
    return {"tls_cert_file": made.server_cert, "tls_key_file": made.server_key}


def look_up(port: int, ca: Path, *, client: Certificates | None = None, token: str = "") -> int:
    """The products in the answer, over a new connection; the client shows its certificate if it has one."""
    own = (None, None) if client is None else (client.client_key.read_bytes(), client.client_cert.read_bytes())
    credentials = grpc.ssl_channel_credentials(ca.read_bytes(), *own)
    metadata = [("authorization", f"Bearer {token}")] if token else []
    with grpc.secure_channel(f"127.0.0.1:{port}", credentials, OPTIONS) as channel:
        stub = tags_pb2_grpc.TagServiceStub(channel)
        return len(stub.BatchGetProductTags(REQUEST, timeout=5, metadata=metadata).products)


def code_of(attempt: Callable[[], object]) -> grpc.StatusCode:
    try:
        attempt()
    except grpc.RpcError as error:
        return error.code()
    return Code.OK


def test_a_client_that_trusts_the_authority_and_has_a_token_is_answered(
    encrypted: tuple[Served, str], old: Certificates
) -> None:
    served, token = encrypted

    assert look_up(served.port, old.ca, token=token) == 1
    assert code_of(lambda: look_up(served.port, old.ca)) is Code.UNAUTHENTICATED


def test_health_over_tls_needs_no_token(encrypted: tuple[Served, str], old: Certificates) -> None:
    credentials = grpc.ssl_channel_credentials(old.ca.read_bytes())
    with grpc.secure_channel(f"127.0.0.1:{encrypted[0].port}", credentials, OPTIONS) as channel:
        reply = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)

    assert reply.status == health_pb2.HealthCheckResponse.SERVING


def test_a_client_without_tls_or_with_another_authority_is_not(
    encrypted: tuple[Served, str], new: Certificates
) -> None:
    served, token = encrypted

    assert code_of(lambda: served.batch(["never"])) is Code.UNAVAILABLE
    assert code_of(lambda: look_up(served.port, new.ca, token=token)) is Code.UNAVAILABLE


@pytest.mark.parametrize(("version", "is_let_in"), [("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)])
def test_old_versions_of_tls_are_refused(
    encrypted: tuple[Served, str], old: Certificates, version: str, is_let_in: bool
) -> None:
    context = ssl.create_default_context(cafile=str(old.ca))
    context.set_alpn_protocols(["h2"])
    # OpenSSL itself would refuse to speak the old one at its usual level.
    context.set_ciphers("ALL:@SECLEVEL=0")
    # Python warns of versions that nobody should use, which is why the server must not.
    with pytest.warns() if not is_let_in else pytest.MonkeyPatch.context():
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]

    with socket.create_connection(("127.0.0.1", encrypted[0].port), 10) as plain:
        try:
            with context.wrap_socket(plain, server_hostname="127.0.0.1") as connection:
                assert (is_let_in, connection.selected_alpn_protocol()) == (True, "h2")
        except ssl.SSLError:
            assert not is_let_in


def test_mutual_tls_lets_only_clients_in_whose_certificate_the_authority_signed(
    mutual: Served, old: Certificates, new: Certificates
) -> None:
    assert look_up(mutual.port, old.ca, client=old) == 1
    assert code_of(lambda: look_up(mutual.port, old.ca)) is Code.UNAVAILABLE
    assert code_of(lambda: look_up(mutual.port, old.ca, client=new)) is Code.UNAVAILABLE


def test_renewed_files_are_used_for_the_next_connection(
    loop: asyncio.AbstractEventLoop,
    store_settings: RedisSettings,
    live: Certificates,
    old: Certificates,
    new: Certificates,
) -> None:
    def failed() -> float:
        return (
            metrics.SERVER.get_sample_value("hangtag_reloads_total", {"file": "certificate", "outcome": "failed"}) or 0
        )

    limits = {**server_files(live), "tls_client_ca_file": live.ca}
    with serving(loop, settings_for(store_settings, **limits), FakeTagger()) as served:
        assert look_up(served.port, old.ca, client=old) == 1

        # A certificate without its key leaves the old ones in use.
        before = failed()
        shutil.copy(new.server_cert, live.server_cert)
        assert look_up(served.port, old.ca, client=old) == 1
        live.server_cert.unlink()
        assert look_up(served.port, old.ca, client=old) == 1
        assert failed() == before + 2

        put(new, live.folder)
        assert look_up(served.port, new.ca, client=new) == 1
        assert code_of(lambda: look_up(served.port, new.ca, client=old)) is Code.UNAVAILABLE


@pytest.mark.timeout(120)
def test_several_processes_have_tls_tokens_and_renewed_certificates(
    tmp_path: Path, store_settings: RedisSettings, live: Certificates, old: Certificates, new: Certificates
) -> None:
    made, tokens_file = new_token("search", [Scope.READ]), tmp_path / "tokens.jsonl"
    add_token(tokens_file, made.token)
    given = {
        "redis_url": store_settings.url.get_secret_value(),
        "processes": 2,
        "port": 0,
        "metrics_port": 0,
        "follow": False,
        "drain_s": 0,
        "tokens_file": str(tokens_file),
        **{name: str(path) for name, path in server_files(live).items()},
    }
    command = [sys.executable, "-m", "tests.integration.server.several", json.dumps(given)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            # Enough connections that each process gets some.
            assert [look_up(port, old.ca, token=made.text) for _ in range(8)] == [1] * 8
            assert code_of(lambda: look_up(port, old.ca)) is Code.UNAUTHENTICATED

            put(new, live.folder)
            assert [look_up(port, new.ca, token=made.text) for _ in range(8)] == [1] * 8
        finally:
            process.terminate()


def test_connections_that_say_nothing_are_closed(
    loop: asyncio.AbstractEventLoop, store_settings: RedisSettings, old: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that does not even shake hands, and one that does, and then says nothing of HTTP/2."""
    monkeypatch.setattr(listener, "_HANDSHAKE_LIMIT_MS", 500)
    context = ssl.create_default_context(cafile=str(old.ca))
    context.set_alpn_protocols(["h2"])
    with serving(loop, settings_for(store_settings, **server_files(old)), FakeTagger()) as served:
        address = ("127.0.0.1", served.port)
        with closing(socket.create_connection(address, 10)) as silent:
            assert silent.recv(1) == b""
        with context.wrap_socket(socket.create_connection(address, 10), server_hostname="127.0.0.1") as polite:
            # It gets the settings of HTTP/2, and then the end.
            while polite.recv(1_024):
                pass


def test_a_connection_without_calls_is_closed(loop: asyncio.AbstractEventLoop, store_settings: RedisSettings) -> None:
    settings = settings_for(store_settings, idle_timeout_s=1)
    with serving(loop, settings, FakeTagger()) as served, Peer(served.port) as idle:
        assert idle.read_until(lambda: idle.is_closed)
        # It is told before, so that no call is lost.
        assert idle.goaway is not None


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["cert=nix"], "HANGTAG_SERVER__TLS_CERT_FILE: .*nix.pem: No such file"),
        (["cert=server_cert"], "cannot be used with the key in .*server_cert.pem"),
        (["cert=server_cert", "key=client_key"], "KEY_VALUES_MISMATCH"),
        (["cert=server_cert", "key=client_locked_key"], "the key must have no password"),
        (["cert=server_cert", "key=server_key", "client_ca=server_key"], "CLIENT_CA_FILE: .*holds no certificate"),
        (["client_ca=ca"], "HANGTAG_SERVER__TLS_CLIENT_CA_FILE is set without HANGTAG_SERVER__TLS_CERT_FILE"),
    ],
)
def test_files_that_cannot_be_used_are_named_at_the_start(
    loop: asyncio.AbstractEventLoop, store_settings: RedisSettings, old: Certificates, files: list[str], message: str
) -> None:
    named = dict(each.split("=") for each in files)
    limits = {f"tls_{name}_file": getattr(old, file) for name, file in named.items()}

    with pytest.raises(ServerError, match=message), serving(loop, settings_for(store_settings, **limits), FakeTagger()):
        pass


def test_a_server_that_others_reach_says_so_at_its_start_and_does_not_start_where_that_is_forbidden(
    loop: asyncio.AbstractEventLoop, store_settings: RedisSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if it did not listen on 127.0.0.1 alone.
    monkeypatch.setattr(exposure, "is_loopback", lambda _: False)
    with capture_logs() as logs, serving(loop, settings_for(store_settings), FakeTagger()):
        pass
    reasons = [line["reason"] for line in logs if line["event"] == "exposed"]
    forbidden = settings_for(store_settings, require_auth=True)

    assert len(reasons) == 2
    assert "it answers everyone: set HANGTAG_SERVER__TOKENS_FILE" in reasons[0]
    with pytest.raises(ServerError, match="server.require_auth is set: set"), serving(loop, forbidden, FakeTagger()):
        pass


@pytest.fixture
def command(encrypted: tuple[Served, str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run `hangtag tags` against the server with these settings of the client, and return what it says."""

    def run(**settings: object) -> str:
        environment = {f"HANGTAG_CLIENT__{name.upper()}": str(value) for name, value in settings.items()}
        arguments = ["tags", "never", "--json", "--server", f"127.0.0.1:{encrypted[0].port}"]
        ran = CliRunner().invoke(app, arguments, env=environment)
        return str(ran.exception) if isinstance(ran.exception, CommandError) else ran.stdout

    return run


def test_commands_call_a_server_with_tls_and_tokens(
    command: Callable[..., str], encrypted: tuple[Served, str], old: Certificates, tmp_path: Path
) -> None:
    token_file = tmp_path / "token"
    token_file.write_text(f"{encrypted[1]}\n")

    assert '"freshness": "FRESHNESS_UNKNOWN"' in command(tls=True, ca_file=old.ca, token_file=token_file)
    assert "denies access: this server needs a token" in command(tls=True, ca_file=old.ca)
    assert "set HANGTAG_CLIENT__TLS=true" in command(token_file=token_file)
    assert "the TLS handshake failed; check HANGTAG_CLIENT__CA_FILE" in command(tls=True, token_file=token_file)

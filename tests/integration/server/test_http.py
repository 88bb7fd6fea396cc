"""HTTP as such: who gets in, TLS, other protocols than plain JSON, slow clients, and how it stops."""

import asyncio
import concurrent.futures
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

pytest.importorskip("connectrpc", reason="the extra `http` is not installed")

from connectrpc.client import ConnectClientSync
from connectrpc.code import Code as ConnectCode
from connectrpc.compat import google_protobuf_binary_codec, google_protobuf_json_codec
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo, StreamType
from connectrpc.protocol import ProtocolType

from hangtag.access import Scope, add_token, new_token, revoke_token
from hangtag.server.errors import ServerError
from hangtag.server.web import connection, service, transport
from hangtag.settings import RedisSettings
from hangtag.telemetry import metrics
from hangtag.v1 import tags_pb2
from tests.certificates import Certificates
from tests.integration.server.parts import FakeTagger, Served, calls_in_flight, serving, settings_for, until
from tests.integration.server.web_client import JSON, SERVICE, WebClient

SUGGEST = {"text": "one two"}
GET = {"product_id": "never"}


@pytest.fixture
def served(loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, tagger: FakeTagger) -> Iterator[Served]:
    with serving(loop, settings_for(redis_settings, http_port=0), tagger) as served:
        yield served


@pytest.fixture
def _checked_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_CHECK_EVERY_S", 0.0)


def head_of(method: str, length: int) -> bytes:
    """A request without its body."""
    lines = [
        f"POST {SERVICE}/{method} HTTP/1.1",
        "host: h",
        "content-type: application/json",
        f"content-length: {length}",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def closed(reason: str) -> float:
    return metrics.SERVER.get_sample_value("hangtag_http_closed_connections_total", {"reason": reason}) or 0


@pytest.mark.parametrize("protocol", [ProtocolType.CONNECT, ProtocolType.GRPC_WEB])
@pytest.mark.parametrize("codec", [google_protobuf_json_codec(), google_protobuf_binary_codec()], ids=["json", "proto"])
def test_clients_of_the_connect_protocol_and_of_grpc_web(served: Served, protocol: ProtocolType, codec: object) -> None:
    """Their own library understands replies, errors and reasons."""
    method = MethodInfo(
        name="SuggestTags",
        service_name="hangtag.v1.TagService",
        input=tags_pb2.SuggestTagsRequest,
        output=tags_pb2.SuggestTagsResponse,
        idempotency_level=IdempotencyLevel.UNKNOWN,
        stream_type=StreamType.UNARY,
    )
    with ConnectClientSync(f"http://127.0.0.1:{served.http_port}", codec=codec, protocol=protocol) as client:
        reply = client.execute_unary(request=tags_pb2.SuggestTagsRequest(text="one two"), method=method)
        with pytest.raises(ConnectError) as caught:
            client.execute_unary(request=tags_pb2.SuggestTagsRequest(), method=method, timeout_ms=5_000)

    assert [tag.value for tag in reply.tags] == ["2"]
    assert caught.value.code is ConnectCode.INVALID_ARGUMENT
    assert "no visible text" in caught.value.message
    (detail,) = caught.value.details
    assert detail.type_name == "google.rpc.ErrorInfo"
    assert b"INVALID_REQUEST" in detail.message_bytes


def test_tokens(loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, tmp_path: Path) -> None:
    file = tmp_path / "tokens.jsonl"
    reader, once = new_token("reader", [Scope.READ]), new_token("once", [Scope.SUGGEST], calls_per_s=0.001)
    for each in (reader, once):
        add_token(file, each.token)
    settings = settings_for(redis_settings, http_port=0, tokens_file=file)
    with serving(loop, settings, FakeTagger()) as served, WebClient(served.http_port) as web:
        wrong = "Bearer " + reader.text[:-4] + "0000"

        assert web.send("GET", "/readyz").status == 200
        for method, request, authorization, status, reason in [
            ("GetProductTags", GET, None, 401, "TOKEN_MISSING"),
            ("GetProductTags", b"not JSON", None, 401, "TOKEN_MISSING"),
            ("Nothing", {}, None, 401, "TOKEN_MISSING"),
            ("GetProductTags", GET, wrong, 401, "TOKEN_UNKNOWN"),
            ("GetProductTags", GET, f"Bearer {reader.text}", 404, "PRODUCT_UNKNOWN"),
            ("Nothing", {}, f"Bearer {reader.text}", 501, "METHOD_UNKNOWN"),
            ("SuggestTags", SUGGEST, f"Bearer {reader.text}", 403, "SCOPE_MISSING"),
            ("GetProductTags", GET, f"Bearer {once.text}", 403, "SCOPE_MISSING"),
        ]:
            given = {} if authorization is None else {"authorization": authorization}
            reply = web.call(method, request, **given)
            assert (reply.status, reply.reason) == (status, reason)
            assert reader.text[-8:] not in reply.json["message"]
        reply = web.send("GET", f"{SERVICE}/GetProductTags")
        assert (reply.status, reply.reason) == (401, "TOKEN_MISSING")
        assert web.call("SuggestTags", SUGGEST, authorization=f"Bearer {once.text}").status == 200
        reply = web.call("SuggestTags", SUGGEST, authorization=f"Bearer {once.text}")
        assert (reply.status, reply.reason) == (429, "CLIENT_QUOTA")

        revoke_token(file, reader.token.id)
        until(lambda: web.call("GetProductTags", GET, authorization=f"Bearer {reader.text}").status == 401)


def context_of(certificates: Certificates, *, has_own: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certificates.ca)
    if has_own:
        context.load_cert_chain(certificates.client_cert, certificates.client_key)
    return context


def test_mutual_tls_with_a_certificate_that_changes(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, certificates: Certificates, tmp_path: Path
) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"

    def put(name: str) -> None:
        key.write_bytes(getattr(certificates, f"{name}_key").read_bytes())
        cert.write_bytes(getattr(certificates, f"{name}_cert").read_bytes())

    def shown(*, has_own: bool = True) -> str:
        """The name in the server's certificate, once it has answered."""
        with WebClient(served.http_port, context_of(certificates, has_own=has_own)) as web:
            assert web.call("GetProductTags", GET, connection="close").status == 404
            web.connection.connect()
            (((_, name),),) = web.connection.sock.getpeercert()["subject"]
            return name

    put("server")
    files = {"tls_cert_file": cert, "tls_key_file": key, "tls_client_ca_file": certificates.ca}
    with serving(loop, settings_for(redis_settings, http_port=0, **files), FakeTagger()) as served:
        assert shown() == "server"
        with pytest.raises(OSError):  # noqa: PT011 (of TLS, or a connection that is closed)
            shown(has_own=False)
        with pytest.raises(OSError), WebClient(served.http_port) as plain:  # noqa: PT011 (reset, or closed)
            plain.call("GetProductTags", GET)

        put("client")
        until(lambda: shown() == "client")

        failed = {"file": "certificate", "outcome": "failed"}
        before = metrics.SERVER.get_sample_value("hangtag_reloads_total", failed)
        cert.write_text("damaged")
        until(lambda: metrics.SERVER.get_sample_value("hangtag_reloads_total", failed) > before)
        assert shown() == "client"


@pytest.mark.usefixtures("_checked_often")
def test_a_request_that_does_not_arrive_is_given_up(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    before = closed("slow_request")
    monkeypatch.setattr(connection, "REQUEST_LIMIT_S", 0.1)
    starts = [
        b"",
        head_of("GetProductTags", 100)[:50],
        head_of("GetProductTags", 100) + b"{",
        b"GET /readyz HTTP/1.1\r\nhost: h\r\n\r\nGET /readyz HTTP/1.1\r\nho",
    ]
    for start in starts:
        with socket.create_connection(("127.0.0.1", served.http_port), timeout=20) as slow:
            slow.sendall(start)
            with suppress(ConnectionResetError):
                while slow.recv(65_536):
                    pass
    assert closed("slow_request") == before + len(starts)


@pytest.mark.usefixtures("_checked_often")
def test_a_connection_may_be_idle_between_requests(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    checks: list[float] = []
    check = connection.Connection.check
    with WebClient(served.http_port) as web:
        assert web.call("GetProductTags", GET).status == 404
        own = web.connection.sock.getsockname()
        with monkeypatch.context() as strict:
            strict.setattr(connection, "REQUEST_LIMIT_S", 0.0)
            strict.setattr(connection.Connection, "check", lambda self, now: (checks.append(now), check(self, now)))
            until(lambda: len(checks) >= 2)

        assert web.call("GetProductTags", GET).status == 404
        assert web.connection.sock.getsockname() == own


@pytest.mark.usefixtures("_checked_often")
def test_replies_do_not_wait_for_acknowledgements(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reply has several parts; without TCP_NODELAY each takes 40 ms more."""
    at_once: list[int] = []

    def check(self: connection.Connection, _: float) -> None:
        at_once.append(self.transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    monkeypatch.setattr(connection.Connection, "check", check)
    with WebClient(served.http_port) as web:
        web.connection.connect()
        until(lambda: at_once)
    assert all(at_once)


@pytest.mark.usefixtures("_checked_often")
def test_a_client_that_does_not_read_is_disconnected(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    before = closed("unread_reply")
    monkeypatch.setattr(connection, "UNREAD_LIMIT_S", 0.2)
    body = b'{"product_ids": [' + b",".join(b'"never %d"' % n for n in range(1_000)) + b"]}"
    request = head_of("BatchGetProductTags", len(body)) + body

    def send_on() -> None:
        """Replies fill the buffers between the two, one after the other."""
        while True:
            slow.sendall(request)

    with socket.socket() as slow:
        slow.settimeout(20)
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_024)
        slow.connect(("127.0.0.1", served.http_port))
        with pytest.raises(ConnectionError):
            send_on()
    until(lambda: closed("unread_reply") == before + 1)
    until(lambda: calls_in_flight() == 0)


def test_connections_are_limited(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    before = closed("full")
    monkeypatch.setattr(connection, "MAX_CONNECTIONS", 1)
    with WebClient(served.http_port) as first, WebClient(served.http_port) as second:
        assert first.call("GetProductTags", GET).status == 404
        with pytest.raises(OSError):  # noqa: PT011 (reset, or closed)
            second.call("GetProductTags", GET)
        assert first.call("GetProductTags", GET).status == 404
    assert closed("full") == before + 1


def test_requests_in_json_are_limited_before_they_are_read(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, tagger: FakeTagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_MOST_JSON_BYTES", 60)
    with (
        concurrent.futures.ThreadPoolExecutor(1) as thread,
        serving(loop, settings_for(redis_settings, http_port=0), tagger) as served,
        WebClient(served.http_port) as web,
        WebClient(served.http_port) as other,
    ):
        tagger.gate.clear()
        running = thread.submit(other.call, "SuggestTags", {"text": "x" * 50})
        until(lambda: tagger.batches)

        refused = web.call("SuggestTags", b"no JSON")
        by_grpc = served.suggest_later("one two")
        until(lambda: calls_in_flight() == 2)
        tagger.gate.set()

        assert (refused.status, refused.reason) == (429, "TOO_MANY_CALLS")
        assert "bytes of requests in JSON" in refused.json["message"]
        assert by_grpc.result().tags[0].value == "2"
        assert running.result().status == 200
        assert web.call("SuggestTags", SUGGEST).status == 200


def test_it_stops_as_grpc_does(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, tagger: FakeTagger
) -> None:
    """Load balancers leave, calls are answered and told to reconnect elsewhere, and what runs is finished."""
    settings = settings_for(redis_settings, http_port=0, drain_s=2)
    with (
        concurrent.futures.ThreadPoolExecutor(1) as thread,
        serving(loop, settings, tagger) as served,
        WebClient(served.http_port) as web,
        WebClient(served.http_port) as long,
    ):
        assert web.call("GetProductTags", GET).headers.get("connection") is None
        tagger.gate.clear()
        running = thread.submit(long.call, "SuggestTags", SUGGEST)
        until(lambda: tagger.batches)
        served.stop()
        until(lambda: web.send("GET", "/readyz").status == 503)

        reply = web.call("GetProductTags", GET)
        assert (reply.status, reply.headers["connection"]) == (404, "close")
        until(lambda: refuses(web))
        assert not served.result.done()
        tagger.gate.set()

        assert (running.result().status, running.result().json["tags"][0]["value"]) == (200, "2")
        served.result.result(10)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", served.http_port), timeout=1)


def refuses(web: WebClient) -> bool:
    reply = web.call("GetProductTags", GET)
    assert reply.headers["connection"] == "close"
    if reply.status == 404:
        return False
    assert (reply.status, reply.reason) == (503, "SERVER_STOPPING")
    return True


def test_old_connections_are_ended_with_a_reply(loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings) -> None:
    settings = settings_for(redis_settings, http_port=0, max_connection_age_s=1)
    with serving(loop, settings, FakeTagger()) as served, WebClient(served.http_port) as web:
        until(lambda: web.call("GetProductTags", GET).headers.get("connection") == "close")
        assert web.call("GetProductTags", GET).status == 404


def test_a_port_in_use_is_refused_with_its_setting(
    served: Served, loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings
) -> None:
    settings = settings_for(redis_settings, http_port=served.http_port)
    with pytest.raises(ServerError, match="HANGTAG_SERVER__HTTP_PORT"), serving(loop, settings, FakeTagger()):
        pass


def test_a_server_whose_http_fails_ends(
    loop: asyncio.AbstractEventLoop, redis_settings: RedisSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        msg = "the disk is gone"
        raise OSError(msg)

    def wait_for_its_end() -> None:
        with serving(loop, settings_for(redis_settings, http_port=0), FakeTagger()) as served:
            monkeypatch.setattr(connection.Connection, "check", fail)
            with WebClient(served.http_port) as web:
                web.connection.connect()
                until(served.result.done)

    with pytest.raises(OSError, match="the disk is gone"):
        wait_for_its_end()


def test_texts_and_tokens_are_not_logged(served: Served, capfd: pytest.CaptureFixture[str]) -> None:
    with WebClient(served.http_port) as web:
        web.call("SuggestTags", {"text": "secretword"}, authorization="Bearer ht_secretword")
        web.send("POST", "/secretword", b"{}", JSON)
        web.call("SuggestTags", b'{"text": secretword}')
    with socket.create_connection(("127.0.0.1", served.http_port), timeout=20) as odd:
        odd.sendall(b"secretword\r\n\r\n")
        assert odd.recv(1_000).startswith(b"HTTP/1.1 400")

    assert "secretword" not in "".join(capfd.readouterr())

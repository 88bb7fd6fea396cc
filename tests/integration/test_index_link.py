"""The connection from servers to the index: TLS, mutual TLS, tokens, and no searches in plain over a network."""

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from hangtag.access import Scope, add_token, new_token
from hangtag.server.errors import CallError, Reason, ServerError
from hangtag.server.index.program import serve_index
from hangtag.server.search.link import IndexLink
from hangtag.server.search.link_security import credentials_of_link
from hangtag.settings import IndexSettings, KafkaSettings, ServerSettings, Settings
from hangtag.v1 import tags_pb2
from tests.certificates import Certificates, make_certificates
from tests.integration.test_index import RED, TANSU, produce, serving
from tests.integration.test_worker import until
from tests.unit.index.making import entry


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("ours"))


def ask(**fields: object) -> tags_pb2.FindProductsResponse | Reason:
    """What a server with these settings gets for a search, over a new connection."""

    async def call() -> bytes:
        link = IndexLink(ServerSettings(**fields))
        try:
            return await link.call("FindProducts", tags_pb2.FindProductsRequest().SerializeToString(), 10)
        finally:
            await link.close()

    try:
        return tags_pb2.FindProductsResponse.FromString(asyncio.run(call()))
    except CallError as error:
        return error.reason


@TANSU
@pytest.mark.timeout(120)
def test_a_server_asks_the_index_over_mutual_tls_with_its_token_and_nobody_else_does(
    topics: KafkaSettings, tmp_path: Path, ours: Certificates
) -> None:
    made, other = new_token("server-1", [Scope.SEARCH]), new_token("server-2", [Scope.READ])
    for each in (made, other):
        add_token(tmp_path / "tokens.jsonl", each.token)
    index = IndexSettings(
        port=0,
        metrics_port=0,
        tls_cert_file=ours.server_cert,
        tls_key_file=ours.server_key,
        tls_client_ca_file=ours.ca,
        tokens_file=tmp_path / "tokens.jsonl",
    )
    settings = Settings(kafka=topics, index=index)
    produce(settings, entry("a", 1, RED))

    with serving(settings) as served:
        until(lambda: served.page("/healthz")["details"]["is_caught_up"])
        given = {
            "index_address": f"127.0.0.1:{served.bound.port}",
            "index_tls": True,
            "index_ca_file": ours.ca,
            "index_cert_file": ours.client_cert,
            "index_key_file": ours.client_key,
            "index_token": made.text,
        }

        found = ask(**given)
        without_certificate = ask(**{**given, "index_cert_file": None, "index_key_file": None})
        in_plain = ask(index_address=given["index_address"], index_token=made.text)
        with capture_logs() as logs:
            without_token, with_another = (
                ask(**{**given, "index_token": None}),
                ask(**{**given, "index_token": other.text}),
            )

    assert [each.product_id for each in found.products] == ["a"]
    assert {without_certificate, in_plain, without_token, with_another} == {Reason.INDEX_UNAVAILABLE}
    denied = [each for each in logs if each["event"] == "the index denies this server"]
    assert ["needs a token" in each["reason"] for each in denied] == [True, False]
    assert "has read" in denied[1]["reason"]
    assert "HANGTAG_SERVER__INDEX_TOKEN_FILE" in denied[0]["next"]


def test_nothing_travels_unencrypted_to_another_machine_unless_that_is_allowed() -> None:
    with pytest.raises(ServerError, match=r"index.host is 0.0.0.0, .*HANGTAG_INDEX__TLS_CERT_FILE.*ALLOW_PLAIN=true"):
        serve_index(Settings(index=IndexSettings(host="0.0.0.0", port=0, metrics_port=0)))
    with pytest.raises(ServerError, match=r"server.index_address is 192.0.2.1:1, .*HANGTAG_SERVER__INDEX_TLS=true"):
        credentials_of_link(ServerSettings(index_address="192.0.2.1:1"))

    assert credentials_of_link(ServerSettings(index_address="192.0.2.1:1", index_allow_plain=True)) is None
    assert credentials_of_link(ServerSettings(index_address="[::1]:1")) is None
    assert credentials_of_link(ServerSettings(index_address="192.0.2.1:1", index_tls=True)) is not None


def test_files_that_cannot_be_used_are_named(ours: Certificates, tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="HANGTAG_SERVER__INDEX_CA_FILE is set, but connections are not encrypted"):
        credentials_of_link(ServerSettings(index_ca_file=ours.ca))
    with pytest.raises(ServerError, match="HANGTAG_SERVER__INDEX_CA_FILE: .*nix.pem: No such file"):
        credentials_of_link(ServerSettings(index_tls=True, index_ca_file=tmp_path / "nix.pem"))
    wrong_pair = {"tls_cert_file": ours.server_cert, "tls_key_file": ours.client_key}
    for files, message in (
        (wrong_pair, "HANGTAG_INDEX__TLS_CERT_FILE: .*MISMATCH"),
        ({"tls_client_ca_file": ours.ca}, "HANGTAG_INDEX__TLS_CLIENT_CA_FILE is set without HANGTAG_INDEX__TLS_CERT"),
    ):
        with pytest.raises(ServerError, match=message):
            serve_index(Settings(index=IndexSettings(port=0, metrics_port=0, **files)))

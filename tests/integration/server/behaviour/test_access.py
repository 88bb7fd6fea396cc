"""Tokens: who may call what, how much, and what a change of their file changes."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from structlog.testing import capture_logs

from hangtag.access import Scope, add_token, new_token, revoke_token
from hangtag.server import denials, program
from hangtag.server.access import SCOPES
from hangtag.telemetry import metrics
from hangtag.v1 import tags_pb2
from tests.forwarder import Forwarder
from tests.integration.server.behaviour.outcome import Outcome, outcome_of, reason_of
from tests.integration.server.behaviour.peer import SERVICE, Peer, headers
from tests.integration.server.parts import SERVING, Code, Served, calls_in_flight, until

GET = tags_pb2.GetProductTagsRequest(product_id="never").SerializeToString()
BATCH = tags_pb2.BatchGetProductTagsRequest(product_ids=["a", "b"]).SerializeToString()
SUGGEST = tags_pb2.SuggestTagsRequest(text="red shoes").SerializeToString()
SUGGEST_BATCH = tags_pb2.BatchSuggestTagsRequest(texts=[tags_pb2.SuggestTagsRequest(text="hat")]).SerializeToString()
# Requests of searches are not valid, or there is no index to answer them: what counts is that they are not denied.
SEARCHES = ("FindProducts", "ListTags", "Clarify", "SimilarProducts", "TagProfile")
REQUESTS = {
    "GetProductTags": GET,
    "BatchGetProductTags": BATCH,
    "SuggestTags": SUGGEST,
    "BatchSuggestTags": SUGGEST_BATCH,
    **dict.fromkeys(SEARCHES, b""),
}
# So slow that a test never sees the next one.
SELDOM = 0.001

Send = Callable[..., grpc.Future]


@pytest.fixture(scope="module")
def tokens_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tokens") / "tokens.jsonl"


@pytest.fixture(scope="module")
def token(tokens_file: Path) -> Callable[..., str]:
    """Make a token and return its text."""

    def make(client: str, *scopes: Scope, **more: object) -> str:
        made = new_token(client, scopes, **more)
        add_token(tokens_file, made.token)
        return made.text

    return make


@pytest.fixture(scope="module")
def texts(token: Callable[..., str]) -> dict[str, str]:
    """The tokens of clients that the server knows when it starts."""
    yesterday = datetime.now(UTC) - timedelta(days=1)
    return {
        "reader": token("reader", Scope.READ),
        "bot": token("bot", Scope.READ, Scope.SUGGEST),
        "writer": token("writer", Scope.SUGGEST),
        "searcher": token("searcher", Scope.SEARCH),
        "late": token("late", *Scope, expires=yesterday),
        "few-calls": token("few-calls", Scope.READ, calls_per_s=SELDOM),
        "few-ids": token("few-ids", Scope.READ, Scope.SUGGEST, ids_per_s=SELDOM),
        "few-texts": token("few-texts", Scope.READ, Scope.SUGGEST, ids_per_s=SELDOM),
        "one-by-one": token("one-by-one", Scope.READ, Scope.SUGGEST, concurrency=1),
    }


@pytest.fixture(scope="module")
def limits(tokens_file: Path, texts: dict[str, str]) -> Iterator[dict[str, object]]:
    with pytest.MonkeyPatch.context() as patch:
        # The server looks at the file that often.
        patch.setattr(program, "_LOOP_EVERY_S", 0.05)
        patch.setattr(denials, "_LOG_EVERY_S", 0)
        yield {"tokens_file": tokens_file, "index_address": "none"}


@pytest.fixture
def send(served: Served) -> Send:
    """Start a call with this token, or with another value of `authorization`."""

    def start(
        text: str | None, method: str = "BatchGetProductTags", *, raw: bytes | None = None, value: str = ""
    ) -> grpc.Future:
        metadata = [("authorization", value or f"Bearer {text}")] if text or value else []
        call = served.channel.unary_unary(f"{SERVICE}/{method}", None, None)
        return call.future(REQUESTS[method] if raw is None else raw, timeout=10, metadata=metadata)

    return start


def denied(client: str, reason: str) -> float:
    return metrics.SERVER.get_sample_value("hangtag_denied_calls_total", {"client": client, "reason": reason}) or 0


@pytest.mark.parametrize("method", REQUESTS)
def test_a_call_without_a_token_is_denied(send: Send, method: str) -> None:
    before = denied("(unknown)", "TOKEN_MISSING")

    assert outcome_of(send(None, method))[:2] == (Code.UNAUTHENTICATED, "TOKEN_MISSING")
    assert denied("(unknown)", "TOKEN_MISSING") == before + 1


@pytest.mark.parametrize(
    "value",
    [
        "Bearer",
        "Bearer ",
        "Bearer ht_a_b",
        "Bearer {reader}x",
        "Bearer {other_secret}",
        "Basic {reader}",
        "{reader}",
        "Bearer " + "x" * 10_000,
    ],
)
def test_a_token_that_the_server_does_not_know_is_denied(send: Send, texts: dict[str, str], value: str) -> None:
    reader = texts["reader"]
    value = value.format(reader=reader, other_secret=reader[:-1] + ("x" if reader[-1] != "x" else "y"))

    outcome = outcome_of(send(None, value=value))

    assert outcome[:2] == (Code.UNAUTHENTICATED, "TOKEN_UNKNOWN")
    assert reader not in outcome.message


@pytest.mark.parametrize(
    "raw", [b"\xff\xff", b"", b"\x0a\x02\xff\xff", b"x" * 2_000_000], ids=["no message", "empty", "not UTF-8", "large"]
)
@pytest.mark.parametrize("method", REQUESTS)
def test_the_unauthenticated_get_no_other_answer(send: Send, method: str, raw: bytes) -> None:
    assert outcome_of(send(None, method, raw=raw)).code is Code.UNAUTHENTICATED


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_the_unauthenticated_learn_nothing_about_services(served: Served, texts: dict[str, str], version: str) -> None:
    unknown = served.channel.unary_unary("/hangtag.v9.Service/Unknown")

    assert outcome_of(unknown.future(b"", timeout=5)).code is Code.UNAUTHENTICATED
    reflection = served.channel.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo")
    services = b"\x3a\x00"
    with pytest.raises(grpc.RpcError) as caught:
        next(reflection(iter([services]), timeout=5))
    assert caught.value.code() is Code.UNAUTHENTICATED

    known = [("authorization", f"Bearer {texts['reader']}")]
    assert outcome_of(unknown.future(b"", timeout=5, metadata=known)).code is Code.UNIMPLEMENTED
    assert b"hangtag.v1.TagService" in next(reflection(iter([services]), timeout=5, metadata=known))


def test_the_request_of_the_unauthenticated_is_not_read(peer: Peer, transport: str) -> None:
    if transport == "native":
        pytest.skip("pygrpc-native 0.5 hands over a call with its complete request")
    stream = peer.open(headers(f"{SERVICE}/BatchGetProductTags"))

    assert reason_of(peer.answer(stream)) == "TOKEN_MISSING"


def test_health_is_open(served: Served) -> None:
    assert (served.health(), served.health("hangtag.v1.TagService")) == (SERVING, SERVING)


@pytest.mark.parametrize("value", ["Bearer {}", "bearer {}", "BEARER  {}"])
def test_the_scheme_may_be_written_in_any_case(send: Send, texts: dict[str, str], value: str) -> None:
    assert outcome_of(send(None, value=value.format(texts["reader"]))).code is Code.OK


def test_scopes_decide_which_methods_a_client_may_call(send: Send, texts: dict[str, str]) -> None:
    allowed = {
        client: {method for method in REQUESTS if outcome_of(send(texts[client], method)).reason != "SCOPE_MISSING"}
        for client in ("reader", "bot", "writer", "searcher")
    }

    assert allowed["reader"] == {"GetProductTags", "BatchGetProductTags"}
    assert allowed["writer"] == {"SuggestTags", "BatchSuggestTags"}
    assert allowed["searcher"] == {*SEARCHES}
    assert allowed["bot"] == {*REQUESTS} - {*SEARCHES}
    refused = outcome_of(send(texts["reader"], "SuggestTags"))
    assert refused == Outcome(
        Code.PERMISSION_DENIED,
        "SCOPE_MISSING",
        None,
        "SuggestTags needs the scope suggest, and your token has read; ask for one that has it",
    )


def test_every_method_has_a_scope() -> None:
    assert set(SCOPES) == {each.name for each in tags_pb2.DESCRIPTOR.services_by_name["TagService"].methods}


def test_calls_of_several_clients_at_once_are_not_mixed_up(send: Send, texts: dict[str, str]) -> None:
    clients = ["reader", "writer"] * 300
    calls = [send(texts[client]) for client in clients]

    codes = [outcome_of(call).code for call in calls]

    assert codes == [Code.OK, Code.PERMISSION_DENIED] * 300


def test_a_token_that_has_expired_is_denied_by_its_clients_name(send: Send, texts: dict[str, str]) -> None:
    before = denied("late", "TOKEN_EXPIRED")

    assert outcome_of(send(texts["late"]))[:2] == (Code.UNAUTHENTICATED, "TOKEN_EXPIRED")
    assert denied("late", "TOKEN_EXPIRED") == before + 1


@pytest.mark.parametrize(
    ("client", "method"),
    [("few-calls", "BatchGetProductTags"), ("few-ids", "BatchGetProductTags"), ("few-texts", "BatchSuggestTags")],
)
def test_a_quota_that_is_used_up_says_when_to_try_again(
    send: Send, texts: dict[str, str], client: str, method: str
) -> None:
    until(lambda: outcome_of(send(texts[client], method)).reason == "CLIENT_QUOTA")
    before = denied(client, "CLIENT_QUOTA")

    refused = outcome_of(send(texts[client], method))

    assert refused[:2] == (Code.RESOURCE_EXHAUSTED, "CLIENT_QUOTA")
    assert refused.retry_ms is not None
    assert 100_000 < refused.retry_ms < 10_000_000
    assert denied(client, "CLIENT_QUOTA") == before + 1
    assert outcome_of(send(texts["bot"], method)).code is Code.OK


@pytest.mark.parametrize("ends", ["answered", "cancelled"])
@pytest.mark.parametrize("method", ["BatchGetProductTags", "SuggestTags"])
def test_calls_at_a_time(
    send: Send, texts: dict[str, str], store_port: Forwarder, tagger: object, method: str, ends: str
) -> None:
    store_port.stall()
    tagger.gate.clear()
    first = send(texts["one-by-one"], method)
    until(lambda: calls_in_flight() == 1)

    assert outcome_of(send(texts["one-by-one"], method))[:2] == (Code.RESOURCE_EXHAUSTED, "CLIENT_QUOTA")

    if ends == "cancelled":
        first.cancel()
    store_port.flow()
    tagger.gate.set()
    if ends == "answered":
        assert outcome_of(first).code is Code.OK
    until(lambda: outcome_of(send(texts["one-by-one"], method)).code is Code.OK)


def test_a_call_that_is_refused_gives_its_place_back(send: Send, texts: dict[str, str]) -> None:
    wrong = tags_pb2.SuggestTagsRequest(text="x" * 20_000).SerializeToString()

    for _ in range(3):
        assert outcome_of(send(texts["one-by-one"], "SuggestTags", raw=wrong)).code is Code.INVALID_ARGUMENT
    assert outcome_of(send(texts["one-by-one"])).code is Code.OK


def test_the_file_is_read_again_when_it_changes(send: Send, token: Callable[..., str], tokens_file: Path) -> None:
    text = token("new", Scope.READ)
    until(lambda: outcome_of(send(text)).code is Code.OK)

    revoke_token(tokens_file, text.split("_")[1])
    until(lambda: outcome_of(send(text)).reason == "TOKEN_EXPIRED")


@pytest.mark.parametrize("damage", ["cut", "missing"])
def test_a_damaged_file_leaves_the_tokens_as_they_were(
    send: Send, texts: dict[str, str], tokens_file: Path, damage: str
) -> None:
    def failed() -> float:
        return metrics.SERVER.get_sample_value("hangtag_reloads_total", {"file": "tokens", "outcome": "failed"}) or 0

    before, content = failed(), tokens_file.read_text()
    try:
        with capture_logs() as logged:
            if damage == "cut":
                tokens_file.write_text(content[:-20])
            else:
                tokens_file.unlink()
            until(lambda: failed() > before)
        assert outcome_of(send(texts["reader"])).code is Code.OK
        assert "tokens_not_read" in {line["event"] for line in logged}
    finally:
        tokens_file.write_text(content)
    late = new_token("late-comer", [Scope.READ])
    add_token(tokens_file, late.token)
    until(lambda: outcome_of(send(late.text)).code is Code.OK)


def test_logs_name_the_client_and_the_reason_but_never_a_token(send: Send, texts: dict[str, str]) -> None:
    with capture_logs() as logged:
        outcomes = [outcome_of(send(text, "SuggestTags")) for text in [*texts.values(), "ht_unknown_secret"]]

    lines = {(line.get("client"), line.get("reason")) for line in logged if line["event"] == "calls denied"}
    assert lines >= {("reader", "SCOPE_MISSING"), ("late", "TOKEN_EXPIRED"), ("(unknown)", "TOKEN_UNKNOWN")}
    secrets = [text.split("_")[2] for text in texts.values()]
    assert not any(secret in str(logged) for secret in secrets)
    assert not any(secret in each.message for secret in secrets for each in outcomes)

"""`hangtag model` with a real broker and a real store: from a pushed bundle to production and back."""

from pathlib import Path

import orjson
import pytest
import redis
from typer.testing import CliRunner, Result

from hangtag.audit import AuditLog, Outcome
from hangtag.bundle import read_references
from hangtag.cli.app import app
from hangtag.models import ModelsTopic, PointerRecord
from hangtag.settings import KafkaSettings, RedisSettings
from tests.bundles import tiny_schema, write_tiny_bundle

pytestmark = pytest.mark.parametrize("broker", ["tansu"], indirect=True)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("bundles")
    write_tiny_bundle(folder / "one", 1)
    write_tiny_bundle(folder / "two", 2, schema=tiny_schema(blocked=("genre:rpg",)))
    return folder / "one", folder / "two"


@pytest.fixture
def place(
    topics_named: KafkaSettings, redis_settings: RedisSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> KafkaSettings:
    monkeypatch.setenv("HANGTAG_REDIS__URL", redis_settings.url.get_secret_value())
    monkeypatch.setenv("HANGTAG_MODELS__STORE", str(tmp_path / "store"))
    monkeypatch.setenv("HANGTAG_MODELS__CACHE_DIR", str(tmp_path / "cache"))
    return topics_named


def run(*arguments: str, **options: str) -> Result:
    return CliRunner().invoke(app, ["model", *arguments], **options)


def out(*arguments: str) -> dict:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, (result.output, result.exception)
    return orjson.loads(result.stdout)


def why(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 1
    return str(result.exception)


def test_from_a_pushed_bundle_to_production_and_back(place, bundles, redis_settings, tmp_path):
    one = out("push", str(bundles[0]), "--reason", "the first", "--actor", "ann")
    two = out("push", str(bundles[1]), "--actor", "ann")
    assert out("push", str(bundles[1]))["is_new"] is False
    assert out("stage", two["version"][:8], "--engine", "cpu")["reference_texts"] == 24
    assert read_references(tmp_path / "cache" / "bundles" / two["version"]) is not None

    first = out("promote", one["version"][:8], "--reason", "go", "--actor", "bob")
    blocked = out("block", "color:red", "--reason", "complaints", "--actor", "bob")
    second = out("promote", two["version"], "--reason", "better")
    back = out("rollback", "--reason", "worse")
    lifted = out("unblock", "color:red", "--reason", "right again")

    assert [each["sequence"] for each in (first, blocked, second, back, lifted)] == [1, 2, 3, 4, 5]
    assert [each["blocked"] for each in (first, blocked, second, back, lifted)] == [
        [],
        ["color:red"],
        ["color:red", "genre:rpg"],
        ["color:red", "genre:rpg"],
        ["genre:rpg"],
    ]
    assert [each["blocked_sequence"] for each in (first, blocked, second, back, lifted)] == [1, 2, 3, 3, 5]
    assert back["bundle_version"] == lifted["bundle_version"] == one["version"]
    current = ModelsTopic(place).read().current()
    assert current is not None
    with PointerRecord(redis_settings) as record:
        assert record.read() == current
    assert orjson.loads(current.to_json()) == lifted

    listed = {each["version"]: each for each in out("list")}
    assert [listed[each["version"]]["in_use"] for each in (one, two)] == [["default"], []]
    assert (listed[one["version"]]["pushed_by"], listed[one["version"]]["reason"]) == ("ann", "the first")
    assert out("show", two["version"])["blocked"] == ["genre:rpg"]
    assert [each["what"] for each in out("history")] == ["promote", "block", "promote", "rollback", "unblock"]
    assert out("at", "0s")["sequence"] == 5
    audited = AuditLog(place).read()
    assert [each.outcome for each in audited] == [Outcome.DECIDED, Outcome.APPLIED] * 5
    assert [each.actor for each in audited][:4] == ["bob"] * 4
    for table in (run("list"), run("show", one["version"]), run("history"), run("at", "0s")):
        assert table.exit_code == 0
        assert one["version"][:12] in table.output


def test_what_cannot_be_decided_is_refused_with_what_to_do(place, bundles, tmp_path):
    one = out("push", str(bundles[0]))["version"]
    two = out("push", str(bundles[1]))["version"]

    assert "promote one first" in why("block", "color:red", "--reason", "x")
    assert "nothing to go back to" in why("rollback", "--reason", "x")
    assert "no bundle was in use" in why("at", "0s")
    out("promote", two, "--reason", "x")
    assert "in use already" in why("promote", two, "--reason", "x")
    assert "did you mean color:red" in why("block", "color:redd", "--reason", "x")
    assert "is not blocked" in why("unblock", "color:red", "--reason", "x")
    assert "own schema blocks genre:rpg" in why("unblock", "genre:rpg", "--reason", "x")
    assert "no bundle" in why("promote", "ffff", "--reason", "x")
    assert run("promote", one, "--reason", " ").exit_code == 2
    assert run("promote", one, "--reason", "x", "--actor", "not a name").exit_code == 2
    (tmp_path / "store" / "blobs").rename(tmp_path / "store" / "elsewhere")
    assert "is missing" in why("promote", one, "--reason", "x")
    assert [each["bundle_version"] for each in out("history")] == [two]


def test_whoever_is_asked_may_say_no(place, bundles, monkeypatch):
    one = out("push", str(bundles[0]))["version"]
    monkeypatch.setattr("hangtag.cli.models.deciding.is_a_person", lambda: True)

    refused = run("promote", one, "--reason", "x", input="n\n")
    assert refused.exit_code == 1
    assert "nothing was changed" in refused.output
    assert out("history") == []
    assert run("promote", one, "--reason", "x", input="y\n").exit_code == 0
    assert len(out("history")) == 1


def test_a_rebuild_restores_the_pointer(place, bundles, redis_settings):
    one = out("push", str(bundles[0]))["version"]
    out("promote", one, "--reason", "x")
    with redis.Redis.from_url(redis_settings.url.get_secret_value()) as client:
        client.flushdb()

    assert CliRunner().invoke(app, ["rebuild"]).exit_code == 0

    with PointerRecord(redis_settings) as record:
        found = record.read()
    assert found is not None
    assert found.bundle_version == one


def test_a_bundle_that_gives_its_reference_texts_other_tags_is_refused(place, bundles, tmp_path):
    from hangtag.bundle import References, ReferenceText, add_references

    wrong = References(texts=(ReferenceText(title="a red dress", tags={"segment:clothing": 0.01}),))
    add_references(bundles[0], tmp_path / "wrong", wrong)

    assert "reference text 0: segment:clothing" in why("push", str(tmp_path / "wrong"))
    assert out("list") == []

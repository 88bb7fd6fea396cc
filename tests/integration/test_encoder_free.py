"""Tags decided from kept vectors: as the model decides, with the starter, and by `hangtag retag` with a real broker."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks.encoder_free import Products, agreement, decided_otherwise
from benchmarks.main_job import FEED, read, text_of
from hangtag.bundle import load_bundle, redecide_bundle
from hangtag.cli.app import app
from hangtag.cli.errors import CommandError
from hangtag.cli.local.topics import create_topics
from hangtag.cli.retag import opened
from hangtag.cli.topic import TopicReader
from hangtag.engine import open_engine
from hangtag.records import KeptText, KeptVector, Record, decode_tags
from hangtag.settings import KafkaSettings, ModelSettings, RedisSettings, Settings
from hangtag.store import RedisTagStore
from hangtag.tagger.tagger import Tagger, open_tagger
from hangtag.tags.tagset import TagSet
from hangtag.tags.thresholds import TagThresholds
from hangtag.text.product_text import CleanedFields
from hangtag.text.text_hash import text_hash
from hangtag.write import KafkaSink, Update, Writes, kept_vector_of
from tests.bundles import write_tiny_bundle

TITLES = ("red dress", "blue shoe", "cat food", "space game")


def test_the_starter_decides_the_same_tags_from_vectors_as_from_texts():
    """Also a bundle with other thresholds and another blocked tag."""
    starter = load_bundle("starter")
    engine = open_engine(starter, "cpu")
    try:
        tagger = Tagger.of(starter, engine)
        products = Products.of(tagger, [text_of(event) for event in read(FEED, 202)])
    finally:
        engine.close()

    for each in (tagger, Tagger.of(decided_otherwise(starter), engine)):
        share, differences = agreement(each, products)
        assert share >= 0.999, differences


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A bundle, and one with the same weights and other thresholds."""
    first, second = tmp_path_factory.mktemp("bundles") / "first", tmp_path_factory.mktemp("bundles") / "second"
    manifest = write_tiny_bundle(first, 2, thresholds=TagThresholds(auto=0.3, review=0.15))
    found = load_bundle(first)
    tags = dict.fromkeys(found.schema.tags, TagThresholds(auto=0.6, review=0.05))
    redecide_bundle(
        first,
        second,
        thresholds=found.thresholds.map(lambda entry: entry.model_copy(update={"tags": tags})),
        calibration=found.calibration,
        recipe=manifest.recipe,
        metrics=manifest.metrics,
    )
    return first, second


@pytest.fixture
def settings(topics_named: KafkaSettings, redis_settings: RedisSettings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    vectors = topics_named.texts_topic.replace("texts", "vectors")
    topics = topics_named.model_copy(update={"vectors_topic": vectors})
    create_topics(topics)
    monkeypatch.setenv("HANGTAG_KAFKA__VECTORS_TOPIC", vectors)
    monkeypatch.setenv("HANGTAG_REDIS__URL", redis_settings.url.get_secret_value())
    monkeypatch.setenv("HANGTAG_MODEL__ENGINE", "cpu")
    monkeypatch.setenv("HANGTAG_MODEL__THREADS", "1")
    # Both would stay for the other tests of this process.
    monkeypatch.setattr(opened, "give_way", lambda: None)
    monkeypatch.setattr(opened, "configure_logs", lambda *_: None)
    return Settings(kafka=topics, redis=redis_settings)


def listed(settings: Settings, bundle: Path, count: int, without_vector: int) -> None:
    """Products as a worker leaves them; the last ones without vectors, as if it had kept none then."""
    tagger = open_tagger(ModelSettings(bundle=str(bundle), engine="cpu", threads=1))
    fields = [CleanedFields.of(TITLES[number % 4]) for number in range(count)]
    scores = tagger.forward(tagger.encode([each.text for each in fields]), with_means=True)
    updates = []
    for number, (each, tags, vector) in enumerate(
        zip(fields, tagger([each.text for each in fields]), tagger.vectors.keep(scores), strict=True)
    ):
        name, hashed = f"p{number}", text_hash(each.text, "")
        kept = KeptText(name, 1, each, text_hash=hashed)
        kept_vector = KeptVector(name, 1, each.text, hashed, vector) if number < count - without_vector else None
        schema, version = tagger.bundle.schema, tagger.bundle.version
        updates.append(Update(name, 1, tags, version, 0, hashed, 1, schema, kept=kept, vector=kept_vector))
    tagger.engine.close()
    with closing(RedisTagStore(settings.redis)) as store, closing(KafkaSink(settings.kafka)) as sink:
        Writes(updates).run(store, sink)


def names(found: TagSet) -> tuple[list[str], list[str]]:
    return [scored.tag for scored in found.tags], [scored.tag for scored in found.review]


def retag(bundle: Path, *arguments: str) -> dict[str, Any]:
    command = ["retag", "--bundle", str(bundle), "--sequence", "1", *arguments, "--json"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("broker", ["tansu"], indirect=True)
@pytest.mark.timeout(120)
def test_a_retag_decides_from_vectors_and_runs_the_model_for_the_rest(settings, bundles):
    first, second = bundles
    listed(settings, first, 40, without_vector=5)

    found = retag(second, "--no-encoder")
    assert (found["written"], found["from_vectors"], found["no_vector"], found["computed"]) == (35, 35, 5, 0)

    found = retag(second)
    assert (found["written"], found["from_vectors"], found["computed"], found["same"]) == (5, 0, 5, 35)

    with closing(RedisTagStore(settings.redis)) as store:
        held = store.read([f"p{number}" for number in range(40)])
    tags = [decode_tags(entry.payload).tags for entry in held]
    # Products of one text have the same tags, whether they were decided or computed.
    assert [names(each) for each in tags] == [names(each) for each in tags[:4]] * 10
    assert {entry.sequence for entry in held} == {1}
    with TopicReader(settings.kafka, settings.kafka.vectors_topic) as reader:
        vectors = [kept_vector_of(Record.of(found)) for found in reader.until_end()]
    assert {each.product_id for each in vectors} == {f"p{number}" for number in range(40)}
    done = CliRunner().invoke(app, ["retag", "undo", "--sequence", "2", "--json"])
    assert json.loads(done.stdout)["restored"] == 40


def test_without_the_topic_there_are_no_vectors_to_decide_from(monkeypatch):
    for arguments in ((), ("--from", "events")):
        done = CliRunner().invoke(app, ["retag", "--no-encoder", *arguments])

        assert isinstance(done.exception, CommandError)
        assert "kafka.vectors_topic" in str(done.exception)

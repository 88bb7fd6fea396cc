"""Decisions about the bundle in use, on real brokers and a real store."""

import threading
import time
import uuid

import pytest
import redis

from hangtag.audit import Action, AuditLog, Outcome
from hangtag.models import (
    Decisions,
    Kind,
    LostRaceError,
    ModelsTopic,
    ModelsTopicError,
    PointerRecord,
    PointerWatch,
)
from hangtag.settings import KafkaSettings, RedisSettings

A, B = "a" * 64, "b" * 64


@pytest.fixture
def record(redis_settings: RedisSettings):
    with PointerRecord(redis_settings) as found:
        yield found


def deciding(topics: KafkaSettings, record, actor: str = "u-1") -> Decisions:
    return Decisions(ModelsTopic(topics), AuditLog(topics), record, actor=actor, reason="a test")


def test_a_decision_is_recorded_first_then_made_and_told(topics, record):
    topic, route = ModelsTopic(topics), "default"

    first = deciding(topics, record).decide(
        Kind.PROMOTE, None, route=route, bundle_version=A, integrity=B, blocked=frozenset({"color:red"})
    )
    second = deciding(topics, record).decide(
        Kind.PROMOTE, first.pointer, route=route, bundle_version=B, integrity=A, blocked=frozenset({"color:red"})
    )

    history = topic.read()
    assert (first.pointer.sequence, first.pointer.blocked_sequence) == (1, 1)
    assert (second.pointer.sequence, second.pointer.blocked_sequence) == (2, 1)
    assert record.read() == history.current() == second.pointer
    assert history.former() == first.pointer
    audited = AuditLog(topics).read()
    assert [(each.subject[0], each.outcome) for each in audited] == [
        ("a", Outcome.DECIDED),
        ("a", Outcome.APPLIED),
        ("b", Outcome.DECIDED),
        ("b", Outcome.APPLIED),
    ]
    assert {(each.action, each.actor, each.reason) for each in audited} == {(Action.PROMOTE, "u-1", "a test")}
    assert A in audited[2].before
    assert B in audited[2].after


def test_of_two_who_decide_at_once_one_wins_and_the_other_hears_it(topics, record):
    results: list[object] = []
    start = threading.Barrier(4)

    def decide(version: str) -> None:
        decisions = deciding(topics, record, version)
        start.wait()
        try:
            results.append(
                decisions.decide(
                    Kind.PROMOTE,
                    None,
                    route="default",
                    bundle_version=version,
                    integrity=version,
                    blocked=frozenset(),
                ).pointer
            )
        except LostRaceError as error:
            results.append(error)

    threads = [threading.Thread(target=decide, args=(digit * 64,)) for digit in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    lost = [each for each in results if isinstance(each, LostRaceError)]
    [won] = [each for each in results if not isinstance(each, LostRaceError)]
    assert len(lost) == 3
    assert {each.current for each in lost} == {won}
    assert record.read() == ModelsTopic(topics).read().current() == won
    outcomes = [each.outcome for each in AuditLog(topics).read() if each.outcome is not Outcome.DECIDED]
    assert sorted(outcomes, key=lambda each: each.value) == [Outcome.APPLIED, *[Outcome.LOST] * 3]


def test_a_store_that_was_flushed_gets_the_pointer_back(topics, record, redis_settings):
    told = []
    made = deciding(topics, record).decide(
        Kind.PROMOTE, None, route="default", bundle_version=A, integrity=A, blocked=frozenset()
    )
    watch = PointerWatch(record, ModelsTopic(topics), told.append, poll_s=0.05)
    assert watch.poll() == made.pointer
    with redis.Redis.from_url(redis_settings.url.get_secret_value()) as client:
        client.flushdb()

    assert record.read() is None
    assert watch.poll() == made.pointer
    assert record.read() == made.pointer


@pytest.mark.parametrize("broker", ["tansu"], indirect=True)
def test_flushes_of_the_store_while_people_promote_lose_nothing(topics, record, redis_settings):
    over, told = threading.Event(), []

    def flush() -> None:
        with redis.Redis.from_url(redis_settings.url.get_secret_value()) as client:
            while not over.wait(0.002):
                client.flushdb()

    watch = PointerWatch(record, ModelsTopic(topics), told.append, poll_s=0.01)
    flusher = threading.Thread(target=flush)
    flusher.start()
    watch.start()
    before = None
    for version in (A, B, A, B):
        before = (
            deciding(topics, record)
            .decide(Kind.PROMOTE, before, route="default", bundle_version=version, integrity=A, blocked=frozenset())
            .pointer
        )
    over.set()
    flusher.join()
    until(lambda: watch.current == before and record.read() == before)
    watch.stop()

    assert [each.sequence for each in told] == sorted({each.sequence for each in told})
    assert told[-1] == before == ModelsTopic(topics).read().current()


def until(condition) -> None:
    give_up = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < give_up, "it did not happen"
        time.sleep(0.01)


def test_a_topic_that_does_not_exist_is_an_error_that_names_it(topics):
    missing = topics.model_copy(update={"models_topic": f"no-{uuid.uuid4().hex[:8]}"})

    with pytest.raises(ModelsTopicError, match=missing.models_topic):
        ModelsTopic(missing).read()

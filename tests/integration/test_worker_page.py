"""What a worker in a process of its own tells over HTTP: lag, readiness, health, and `hangtag resume`."""

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.admin import NewTopic
from typer.testing import CliRunner

from hangtag.cli.app import app
from hangtag.settings import KafkaSettings
from tests.conftest import create_topics, start_broker
from tests.integration.test_stopping_worker import settings_of
from tests.integration.test_worker import process, producer, product, until

__all__ = ["producer"]


class Page:
    """The page of the worker that logs into a folder."""

    def __init__(self, folder: Path):
        self.folder = folder

    @property
    def port(self) -> int:
        lines = [line for line in (self.folder / "worker.log").read_text().splitlines() if '"worker_ready"' in line]
        return json.loads(lines[-1])["metrics_port"] if lines else 0

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def ready(self) -> tuple[int, dict[str, dict[str, object]]]:
        status, body = self.get("/readyz")
        return status, json.loads(body)

    def metric(self, name: str) -> list[float]:
        """The values of a metric's series."""
        lines = self.get("/metrics")[1].splitlines()
        return [float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name} ", f"{name}{{"))]


def prepared(topics, redis_settings, folder: Path):
    settings = settings_of(topics, redis_settings.url.get_secret_value(), folder)
    return settings.model_copy(update={"worker": settings.worker.model_copy(update={"metrics_port": 0})})


@pytest.mark.timeout(120)
def test_lag_and_age_are_0_once_everything_is_settled_and_not_before(topics, redis_settings, producer, tmp_path):
    settings, page = prepared(topics, redis_settings, tmp_path), Page(tmp_path)
    for number in range(300):
        producer.send(topics.events_topic, product(f"p{number}"), f"p{number}".encode())
    producer.flush(30)
    with process(settings, tmp_path, slow_s=0.2):
        until(lambda: page.port)
        until(lambda: sum(page.metric("hangtag_lag_records")) > 0)
        assert max(page.metric("hangtag_oldest_unsettled_seconds")) > 0
        assert page.metric("hangtag_drain_seconds")[0] > 0
        until(lambda: page.metric("hangtag_lag_records") == [0] * 6)
        assert page.metric("hangtag_oldest_unsettled_seconds") == [0] * 6
        assert page.metric("hangtag_drain_seconds") == [0]
        assert page.metric("hangtag_assigned_partitions") == [6]


@pytest.mark.kafka
@pytest.mark.timeout(120)
@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_the_end_of_a_transaction_leaves_no_lag_and_an_open_one_is_none(topics, redis_settings, tmp_path):
    settings, page = prepared(topics, redis_settings, tmp_path), Page(tmp_path)
    sender = KafkaProducer(bootstrap_servers=topics.bootstrap, transactional_id=topics.group)
    sender.init_transactions()
    sender.begin_transaction()
    for number in range(20):
        sender.send(topics.events_topic, product(f"p{number}"), f"p{number}".encode())
    sender.commit_transaction()
    with process(settings, tmp_path):
        until(lambda: page.port)
        until(lambda: page.metric("hangtag_records_polled_total") == [20])
        until(lambda: page.metric("hangtag_lag_records") == [0] * 6)
        sender.begin_transaction()
        sender.send(topics.events_topic, product("p20")).get(30)
        assert page.metric("hangtag_lag_records") == [0] * 6
        sender.abort_transaction()
        until(lambda: page.metric("hangtag_lag_records") == [0] * 6)
        assert page.metric("hangtag_records_polled_total") == [20]
    sender.close()


@pytest.mark.kafka
@pytest.mark.timeout(180)
@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_a_worker_with_partitions_is_ready_and_so_is_a_standby(topics, redis_settings, tmp_path):
    topics = topics.model_copy(update={"events_topic": f"{topics.events_topic}-one"})
    with KafkaAdminClient(bootstrap_servers=topics.bootstrap) as admin:
        admin.create_topics([NewTopic(topics.events_topic, 1, 1)])
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    first, second = map(Page, folders)
    settings = [prepared(topics, redis_settings, folder) for folder in folders]

    def reasons() -> set[str]:
        found = [page.ready() for page in (first, second)]
        return {str(parts["partitions"]["reason"]) for status, parts in found if status == 200}

    with process(settings[0], folders[0]), process(settings[1], folders[1]):
        until(lambda: first.port and second.port)
        until(lambda: len(reasons()) == 2)
        assert {reason.split(":")[0] for reason in reasons()} == {"1 assigned", "standby"}
        assert set(first.ready()[1]) == {"model", "brokers", "partitions"}


@pytest.mark.timeout(120)
def test_a_worker_whose_brokers_are_gone_is_not_ready_and_stays_healthy(redis_settings, tmp_path):
    with start_broker("tansu", tmp_path, None) as broker:
        topics = KafkaSettings(bootstrap=broker.url)
        create_topics(topics)
        settings, page = prepared(topics, redis_settings, tmp_path), Page(tmp_path)
        with process(settings, tmp_path):
            until(lambda: page.port)
            until(lambda: page.ready()[0] == 200)
            broker.stop()
            until(lambda: page.ready()[0] == 503)
            parts = page.ready()[1]
            assert [name for name, part in parts.items() if not part["ready"]] == ["brokers"]
            assert page.get("/healthz")[0] == 200


@pytest.mark.kafka
@pytest.mark.timeout(180)
@pytest.mark.parametrize("broker", ["kafka"], indirect=True)
def test_a_broken_producer_pauses_the_worker_in_good_health_and_a_command_resumes_it(
    topics, redis_settings, producer, tmp_path
):
    """On Apache Kafka: the ends that Tansu gives leave out the last batch."""
    settings, page = prepared(topics, redis_settings, tmp_path), Page(tmp_path)
    for _ in range(2_000):
        producer.send(topics.events_topic, b"no event")
    producer.flush(30)
    paused = 'hangtag_polling_paused{reason="dead_letters"}'
    with process(settings, tmp_path):
        until(lambda: page.port)
        until(lambda: page.metric(paused) == [1])
        until(lambda: page.metric("hangtag_records_waiting") == [0])
        drained = page.metric("hangtag_records_polled_total")[0]
        assert 200 <= drained <= 200 + settings.worker.window
        assert page.get("/healthz")[0] == 200
        until(lambda: sum(page.metric("hangtag_lag_records")) == 2_000 - drained)

        result = CliRunner().invoke(app, ["resume", "--port", str(page.port)])

        assert (result.exit_code, "reads on" in result.output) == (0, True)
        until(lambda: sum(page.metric("hangtag_lag_records")) == 0)
        assert page.metric(paused) == [0]
        again = CliRunner().invoke(app, ["resume", "--port", str(page.port)])
        assert "not paused" in again.output

"""Real brokers and caches for tests, started once a session; each test has its own topics and its own database."""

import itertools
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# How long an example takes says something about the machine, not about Hangtag.
hypothesis.settings.register_profile("hangtag", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("hangtag")

# Before any test imports a library that would ask a model hub.
os.environ["HF_HUB_OFFLINE"] = "1"
# One thread for torch, in the programs that tests start too. Its threads wait for each other without giving up their
# cores: beside other work on the same cores, a training of one second takes thirty.
os.environ["OMP_NUM_THREADS"] = "1"

from hangtag.cli.local import DATABASES, create_topics, start_broker, start_valkey
from hangtag.settings import (
    ArrivalsSettings,
    IndexSettings,
    KafkaSettings,
    RedisSettings,
    ServerSettings,
    WorkerSettings,
)
from tests.certificates import Certificates, make_certificates
from tests.division import Division, rank
from tests.leaks import listen, pytest_runtest_makereport  # noqa: F401 (a hook of pytest)

_ROOT = Path(__file__).resolve().parent.parent
_ON_REAL_SERVERS = "tests/integration/", "tests/e2e/"
# Several workers and servers run on this machine at once.
for _group in (WorkerSettings, ArrivalsSettings, IndexSettings, ServerSettings):
    _group.model_fields["metrics_port"].default = 0
    _group.model_rebuild(force=True)

_databases = itertools.cycle(range(1, DATABASES))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """For several processes (`pytest -n 2`)."""
    return Division(config, log)


def pytest_configure() -> None:
    """Search what the programs write for texts and secrets: see tests/leaks.py."""
    listen()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first, so that several processes end at about the same time.

    A test of real brokers and caches that fails is run once more, and counted as rerun in the closing line: on a busy
    machine a process may not get a processor for longer than a test waits for it.
    """
    items.sort(key=lambda item: rank(item.nodeid))
    for item in items:
        if item.nodeid.startswith(_ON_REAL_SERVERS):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority and certificates that it signed, of the test's own file."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def kafka_home() -> Path | None:
    """The Apache Kafka release for tests: `KAFKA_HOME`, else ../shared/kafka beside the project, else none."""
    named = os.environ.get("KAFKA_HOME")
    home = Path(named) if named else _ROOT.parent / "shared" / "kafka"
    return home if any(home.glob("libs/kafka*.jar")) else None


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a real Valkey, `redis://127.0.0.1:port/0`. Database 0 is never used by `redis_settings`."""
    with start_valkey(tmp_path_factory.mktemp("valkey")) as valkey:
        yield valkey.url


@pytest.fixture
def redis_settings(valkey_url: str) -> RedisSettings:
    """Settings for an empty logical database that no other test uses."""
    import redis

    url = f"{valkey_url.rsplit('/', 1)[0]}/{next(_databases)}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return RedisSettings(url=url)


@pytest.fixture(scope="session")
def tansu(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Bootstrap address of Tansu, started by the first test that uses it."""
    with start_broker("tansu", tmp_path_factory.mktemp("tansu")) as server:
        yield server.url


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory, kafka_home: Path | None) -> Iterator[str]:
    """Bootstrap address of a real Apache Kafka, started by the first test that uses it."""
    if kafka_home is None:
        pytest.skip("no Apache Kafka: KAFKA_HOME names no release folder and ../shared/kafka is not there")
    if not (os.environ.get("JAVA_HOME") or shutil.which("java")):
        pytest.skip("Apache Kafka needs Java 17, and there is no java on the path")
    with start_broker("kafka", tmp_path_factory.mktemp("kafka"), kafka_home) as server:
        yield server.url


@pytest.fixture(params=["tansu", pytest.param("kafka", marks=pytest.mark.kafka)])
def broker(request: pytest.FixtureRequest) -> str:
    """Bootstrap address of a broker without topics: a test that uses it runs on Tansu and on Apache Kafka.

    For one of them: `@pytest.mark.parametrize("broker", ["tansu"], indirect=True)`.
    """
    address: str = request.getfixturevalue(request.param)
    return address


@pytest.fixture
def topics(broker: str) -> KafkaSettings:
    """Settings with topics (6 partitions, created) and a group that no other test uses."""
    own = uuid.uuid4().hex[:8]
    settings = KafkaSettings(
        bootstrap=broker,
        group=f"workers-{own}",
        events_topic=f"events-{own}",
        tagged_topic=f"tagged-{own}",
        dead_letter_topic=f"deadletter-{own}",
        models_topic=f"models-{own}",
        audit_topic=f"audit-{own}",
        texts_topic=f"texts-{own}",
        session_timeout_s=6,  # the least; Tansu keeps a member that joins waiting for half of it
    )
    create_topics(settings)
    return settings


@pytest.fixture
def topics_named(topics: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> KafkaSettings:
    """The same topics and group, named by the environment as well: a command or a process must not use other ones."""
    for name in topics.model_fields_set:
        monkeypatch.setenv(f"HANGTAG_KAFKA__{name.upper()}", str(getattr(topics, name)))
    return topics

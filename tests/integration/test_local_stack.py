"""The local stack: it starts, creates its topics, and leaves nothing behind, however the program ends."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

from hangtag.cli.local import Child, LocalError, LocalStack, create_topics, start_valkey
from hangtag.cli.local import server as local_server
from hangtag.settings import KafkaSettings, RedisSettings


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def _end_within(pids: list[int], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(_is_alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HANGTAG_", "KAFKA_HOME"))}
    # The project need not be installed, and child processes run in another folder.
    return {**kept, "PYTHONPATH": str(Path(__file__).parents[2]), **more}


def _set_environment(monkeypatch: pytest.MonkeyPatch, **more: str) -> None:
    environment = _environment(**more)
    for name in [name for name in os.environ if name not in environment]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("kind", ["tansu", pytest.param("kafka", marks=pytest.mark.kafka)])
def test_stack_creates_topics_and_leaves_nothing_behind(
    kind: str, kafka_home: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if kind == "kafka" and kafka_home is None:
        pytest.skip("no Apache Kafka: KAFKA_HOME is not a release folder and ../shared/kafka does not exist")
    _set_environment(monkeypatch, **({"KAFKA_HOME": str(kafka_home)} if kind == "kafka" else {}))
    stack = LocalStack()
    with stack as settings:
        pids = [server.child.pid for server in stack.servers]
        folder = stack.folder
        assert [server.child.name for server in stack.servers] == ["valkey", kind]
        with redis.Redis.from_url(settings.redis.url.get_secret_value()) as client:
            assert client.ping()
        with KafkaAdminClient(bootstrap_servers=settings.kafka.bootstrap) as admin:
            described = {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics()}
        about_products = ("products.events", "products.tagged", "products.texts", "products.deadletter")
        assert described == {**dict.fromkeys(about_products, 6), "hangtag.models": 1, "tags.audit": 1}
    assert folder is not None
    assert not folder.exists()
    assert len(pids) == 2
    assert not any(_is_alive(pid) for pid in pids)


def test_a_port_is_given_once_and_only_if_nothing_listens_on_it() -> None:
    port = local_server.free_port()
    with local_server.port_or_another(port) as first, local_server.port_or_another(port) as second:
        assert first == port
        assert second != port
    with socket.create_server(("127.0.0.1", port)), local_server.port_or_another(port) as third:
        assert third != port
    with local_server.port_or_another(port) as again:
        assert again == port


def test_a_port_whose_old_connections_are_being_closed_is_given_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()  # closed by the server first: its end stays in TIME_WAIT
    with local_server.port_or_another(port) as again:
        assert again == port


def test_the_broker_takes_the_default_port_if_it_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    _set_environment(monkeypatch)
    with local_server.port_or_another(9092) as port:
        if port != 9092:
            pytest.skip("port 9092 of this machine is in use")
        with LocalStack() as settings:  # the mark of this test counts as another demo that starts
            assert settings.kafka.bootstrap != "127.0.0.1:9092"
    with LocalStack() as first, LocalStack() as second:
        assert first.kafka.bootstrap == "127.0.0.1:9092"
        assert second.kafka.bootstrap != "127.0.0.1:9092"


def test_existing_topics_are_not_created_again(topics: KafkaSettings) -> None:
    assert create_topics(topics) == []


def test_a_record_is_produced_and_consumed(topics: KafkaSettings) -> None:
    with KafkaProducer(bootstrap_servers=topics.bootstrap) as producer:
        producer.send(topics.events_topic, key=b"k", value=b"v", headers=[("h", b"1")]).get(timeout=10)
    consumer = KafkaConsumer(
        topics.events_topic,
        bootstrap_servers=topics.bootstrap,
        auto_offset_reset="earliest",
        consumer_timeout_ms=10_000,
    )
    try:
        record = next(iter(consumer))
    finally:
        consumer.close()
    assert (record.key, record.value, list(record.headers)) == (b"k", b"v", [("h", b"1")])


def test_servers_from_the_settings_are_not_started(
    valkey_url: str, topics: KafkaSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    explicit = {
        "HANGTAG_REDIS__URL": valkey_url,
        "HANGTAG_KAFKA__BOOTSTRAP": topics.bootstrap,
        "HANGTAG_KAFKA__EVENTS_TOPIC": topics.events_topic,
    }
    _set_environment(monkeypatch, **explicit)
    stack = LocalStack()
    with stack as settings:
        assert list(stack.servers) == []
        assert settings.kafka.bootstrap == topics.bootstrap
        assert settings.redis.url.get_secret_value() == valkey_url


def test_each_test_has_an_empty_database(redis_settings: RedisSettings) -> None:
    with redis.Redis.from_url(redis_settings.url.get_secret_value()) as client:
        assert client.dbsize() == 0
        client.set("left", "behind")


def test_the_error_of_a_server_that_ends_has_the_end_of_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = start_valkey(tmp_path)
    with taken:
        monkeypatch.setattr("hangtag.cli.local.valkey.free_port", lambda: taken.port)
        other = tmp_path / "other"
        other.mkdir()
        second = start_valkey(other)
        # The first server answers on the port, so only the child process shows that the second one has ended.
        monkeypatch.setattr(second, "_is_ready", lambda: False)
        with pytest.raises(LocalError, match=r"(?s)valkey ended with exit code 1; end of its log .*in use"):
            second.wait_until_ready()


def test_a_server_that_does_not_answer_is_stopped(tmp_path: Path) -> None:
    child = Child("sleeper", ["sleep", "60"], tmp_path)
    server = local_server.LocalServer(child, 1, "127.0.0.1:1", lambda: False, deadline_s=0.2)
    with pytest.raises(LocalError, match="sleeper does not answer on 127.0.0.1:1"):
        server.__enter__()
    assert not child.is_running


def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    child = Child("deaf", ["sh", "-c", "trap '' TERM; echo ready; while true; do sleep 0.1; done"], tmp_path)
    while "ready" not in child.tail():
        assert not child.ends_within(0.02)
    child.stop(grace_s=0.3)
    assert child.exit_code == -signal.SIGKILL


@pytest.mark.timeout(60)
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux signals child processes when their parent ends")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_the_children_of_up_end_with_it(how: signal.Signals, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "hangtag.cli", "up"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env=_environment(TMPDIR=str(tmp_path)),  # after SIGKILL the temporary folder is left behind
        text=True,
    ) as up:
        assert up.stdout is not None
        lines = []
        for line in up.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        children = Path(f"/proc/{up.pid}/task/{up.pid}/children").read_text().split()
        up.send_signal(how)
        code = up.wait(timeout=20)
    text = "".join(lines)
    assert "export HANGTAG_KAFKA__BOOTSTRAP=127.0.0.1:" in text
    assert "export HANGTAG_REDIS__URL=redis://127.0.0.1:" in text
    assert len(children) == 4
    assert _end_within([int(pid) for pid in children], 5)
    assert code == (-signal.SIGKILL if how is signal.SIGKILL else 0)


@pytest.mark.timeout(60)
def test_up_does_not_print_the_password_of_a_store_of_ones_own(tmp_path: Path, valkey_url: str) -> None:
    address = valkey_url.replace("//", "//default:hunter2@")
    with subprocess.Popen(
        [sys.executable, "-m", "hangtag.cli", "up"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=tmp_path,
        env=_environment(TMPDIR=str(tmp_path), HANGTAG_REDIS__URL=address),
        text=True,
    ) as up:
        assert up.stdout is not None
        lines = []
        for line in up.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        up.send_signal(signal.SIGINT)
        up.wait(timeout=20)
    text = "".join(lines)
    assert "Ctrl-C" in text
    assert "HANGTAG_REDIS__URL" in text
    assert "hunter2" not in text

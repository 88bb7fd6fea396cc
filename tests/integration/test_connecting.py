"""Every way in which a connection to Kafka fails is told apart, on real listeners with TLS and SASL."""

import shutil
import socket
import subprocess
from types import SimpleNamespace

import pytest

from hangtag.cli.local.apache import start_apache
from hangtag.cli.local.server import HOST, free_port
from hangtag.kafka import trouble
from hangtag.kafka.trouble import check_settings
from hangtag.settings import KafkaSettings
from hangtag.workers import SourceError, kafka_source, topics
from hangtag.workers.group_consumer import GroupConsumer
from hangtag.workers.kafka_source import KafkaSource

SASL = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN", "sasl_username": "shop"}
RIGHT = {**SASL, "sasl_password": "right"}


def certificate(folder, name: str, *, address: str = HOST) -> None:
    subject = ["-subj", f"/CN={name}", "-addext", f"subjectAltName=IP:{address}"]
    files = ["-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem")]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject, *files],
        check=True,
        capture_output=True,
        timeout=30,
    )


@pytest.fixture(scope="module")
def secured(kafka_home, tmp_path_factory):
    """A Kafka with a plain listener, one with SASL and one with TLS."""
    if kafka_home is None or shutil.which("java") is None or shutil.which("openssl") is None:
        pytest.skip("needs Apache Kafka (KAFKA_HOME), java and openssl")
    folder = tmp_path_factory.mktemp("secured")
    for name in ("broker", "another"):
        certificate(folder, name)
    port, controller, sasl, tls = (free_port() for _ in range(4))

    def pem(name):
        return (folder / name).read_text().replace("\n", "\\n")

    outer = f"SASL_PLAINTEXT://{HOST}:{sasl},SSL://{HOST}:{tls}"
    more = {
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller},{outer}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port},{outer}",
        "listener.security.protocol.map": (
            "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL"
        ),
        "inter.broker.listener.name": "PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl_plaintext.plain.sasl.jaas.config": (
            'org.apache.kafka.common.security.plain.PlainLoginModule required user_shop="right";'
        ),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.certificate.chain": pem("broker.pem"),
        "ssl.keystore.key": pem("broker.key"),
    }
    server = start_apache(folder, kafka_home, more, port)
    with server:
        yield SimpleNamespace(plain=server.port, sasl=sasl, tls=tls, folder=folder)


def why(monkeypatch, **settings) -> str:
    """The error of a worker that cannot connect, without its 30 s of patience."""

    def impatient(**options):
        return GroupConsumer(**options, bootstrap_timeout_ms=1_500)

    monkeypatch.setattr(kafka_source, "GroupConsumer", impatient)
    with pytest.raises(SourceError) as caught:
        KafkaSource(KafkaSettings(**settings))
    return str(caught.value)


CASES = {
    "no broker": ("plain", {"bootstrap": "127.0.0.1:1"}, "nothing listens", "kafka.bootstrap"),
    "no such name": ("plain", {"bootstrap": "nosuch.invalid:9092"}, "does not resolve", "kafka.bootstrap"),
    "wrong password": ("sasl", {**SASL, "sasl_password": "wrong"}, "password", "kafka.sasl_password"),
    "wrong mechanism": ("sasl", {**RIGHT, "sasl_mechanism": "SCRAM-SHA-256"}, "mechanism", "kafka.sasl_mechanism"),
    "SASL against a listener without it": ("plain", RIGHT, "has no SASL", "kafka.security_protocol"),
    "no SASL against a listener with it": ("sasl", {}, "expects TLS or SASL", "kafka.security_protocol"),
    "another authority": ("tls", {"ca_file": "another.pem"}, "not signed by", "kafka.ca_file"),
    "the system's authorities": ("tls", {"ca_file": None}, "not signed by", "kafka.ca_file"),
    "another name": ("tls", {"host": "localhost", "ca_file": "broker.pem"}, "another name", "certificate"),
    "TLS against a listener without it": ("plain", {"ca_file": "broker.pem"}, "TLS", "kafka.security_protocol"),
    "no TLS against a listener with it": ("tls", {"security_protocol": "PLAINTEXT"}, "TLS", "kafka.security_protocol"),
}


@pytest.mark.kafka
@pytest.mark.parametrize("case", CASES)
def test_the_cause_and_the_setting_stand_in_the_error(secured, monkeypatch, case):
    listener, settings, cause, setting = CASES[case]
    settings = dict(settings)
    bootstrap = f"{settings.pop('host', HOST)}:{getattr(secured, listener)}"
    if "ca_file" in settings:
        name = settings["ca_file"]
        settings |= {"security_protocol": "SSL", "ca_file": name and str(secured.folder / name)}

    said = why(monkeypatch, **{"bootstrap": bootstrap, **settings})

    assert cause in said
    assert setting in said.partition("; check ")[2]
    assert "right" not in said
    assert "wrong" not in said.replace("a wrong user name", "")


@pytest.mark.kafka
def test_the_right_settings_connect(secured, monkeypatch):
    """What comes next is the topic, which is not there."""
    monkeypatch.setattr(topics, "_TIMEOUT_S", 0)
    for listener, settings in {
        "plain": {},
        "sasl": RIGHT,
        "tls": {"security_protocol": "SSL", "ca_file": str(secured.folder / "broker.pem")},
    }.items():
        said = why(monkeypatch, bootstrap=f"{HOST}:{getattr(secured, listener)}", **settings)
        assert "does not exist" in said


def test_an_address_that_accepts_connections_and_says_nothing_is_named(monkeypatch):
    with socket.create_server((HOST, 0)) as silent:
        said = why(monkeypatch, bootstrap=f"{HOST}:{silent.getsockname()[1]}")

    assert "nothing answers; check kafka.bootstrap" in said


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_a_ca_file_is_read_before_anything_connects(tmp_path, content):
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    settings = KafkaSettings(bootstrap="127.0.0.1:1", security_protocol="SSL", ca_file=file)

    with pytest.raises(SourceError, match=r"kafka\.ca_file") as caught:
        KafkaSource(settings)

    assert str(file) in str(caught.value)


@pytest.mark.parametrize("missing", ["sasl_mechanism", "sasl_username", "sasl_password"])
def test_a_missing_setting_of_sasl_is_named_before_anything_connects(missing):
    settings = KafkaSettings(**{**RIGHT, "bootstrap": "127.0.0.1:1", missing: None})

    with pytest.raises(SourceError, match=rf"kafka\.{missing} is not set"):
        KafkaSource(settings)


def test_a_codec_that_is_not_installed_ends_the_worker_at_its_start(monkeypatch):
    """Not later, with a dead letter for each batch that another one could have read."""
    monkeypatch.setitem(trouble._CODECS, "zstandard", lambda: False)

    with pytest.raises(SourceError, match="pip install zstandard"):
        KafkaSource(KafkaSettings(bootstrap="127.0.0.1:1"))


def test_settings_without_files_and_sasl_need_no_check():
    check_settings(KafkaSettings())

"""Every Kafka client of Hangtag on a real Apache Kafka that asks for client certificates."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from hangtag.cli.local.apache import start_apache
from hangtag.cli.local.topics import create_topics
from hangtag.cli.publisher import Publisher
from hangtag.kafka.tagged_topic import check_tagged_topic
from hangtag.settings import KafkaSettings
from hangtag.store import Entry
from hangtag.v1 import events_pb2
from hangtag.workers.kafka_source import KafkaSource
from hangtag.write import KafkaSink
from tests.certificates import Certificates

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def bootstrap(
    tmp_path_factory: pytest.TempPathFactory, kafka_home: Path | None, certificates: Certificates
) -> Iterator[str]:
    if kafka_home is None:
        pytest.skip("no Apache Kafka: KAFKA_HOME names no release folder and ../shared/kafka is not there")
    keystore = certificates.folder / "keystore.pem"
    keystore.write_text(certificates.server_key.read_text() + certificates.server_cert.read_text())
    tls = {
        "listener.security.protocol.map": "PLAINTEXT:SSL,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "ssl.client.auth": "required",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(keystore),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(certificates.ca),
    }
    with start_apache(tmp_path_factory.mktemp("kafka"), kafka_home, tls) as kafka:
        yield kafka.url


def test_all_clients_use_the_client_certificate(bootstrap: str, certificates: Certificates) -> None:
    settings = KafkaSettings(
        bootstrap=bootstrap,
        group=f"workers-{uuid.uuid4().hex[:8]}",
        security_protocol="SSL",
        ca_file=certificates.ca,
        cert_file=certificates.client_cert,
        key_file=certificates.client_locked_key,
        key_password="hunter2",
    )
    create_topics(settings)
    assert check_tagged_topic(settings, deleted_ttl_s=604_800)
    event = events_pb2.ProductEvent(product=events_pb2.Product(product_id="p1", version=1, title="shoe"))
    with Publisher(settings) as publisher:
        publisher.send(event)
        publisher.finish()
        assert (publisher.acknowledged, publisher.refused) == (1, [])
    sink = KafkaSink(settings)
    sink.tagged(Entry.deletion("p1", 1))
    sink.flush()
    sink.close()

    source = KafkaSource(settings)
    records = []
    for _ in range(200):
        records += source.poll(0.2, 10).records
        if records:
            break
    source.close()
    assert [record.key for record in records] == [b"p1"]

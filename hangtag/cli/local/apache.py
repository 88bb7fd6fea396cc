"""One node of a real Apache Kafka (broker and controller in one, KRaft), its data in a throw-away folder."""

import base64
import os
import shutil
import uuid
from pathlib import Path

from hangtag.cli.local.child import Child
from hangtag.cli.local.errors import LocalError
from hangtag.cli.local.server import HOST, LocalServer, answers, free_port

_HEAP = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_LOG4J = """\
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{HH:mm:ss} %p %m (%c{1})%n
rootLogger.level=WARN
rootLogger.appenderRef.out.ref=out
"""


def start_apache(folder: Path, home: Path) -> LocalServer:
    """Start the Kafka of the release folder `home` on a free port; returns at once, enter the result to wait for it.

    Raises:
        LocalError: `home` is no Kafka release, or there is no Java.
    """
    if not any(home.glob("libs/kafka*.jar")):
        msg = f"KAFKA_HOME={home}: no libs/kafka*.jar there; name the folder of an unpacked Kafka release"
        raise LocalError(msg)
    port = free_port()
    properties, log4j = folder / "server.properties", folder / "log4j2.properties"
    properties.write_text(_properties(port, free_port(), folder / "kafka-data"), encoding="utf-8")
    log4j.write_text(_LOG4J, encoding="utf-8")
    java = [_java(), *_HEAP, f"-Dlog4j2.configurationFile={log4j}", "-cp", f"{home}/libs/*"]
    # A shell, so that formatting (a JVM of its own, 2 s) does not hold up our caller; `exec` leaves one process, ours.
    script = '"$@" kafka.tools.StorageTool format -t "$CLUSTER" -c "$CONFIG" && exec "$@" kafka.Kafka "$CONFIG"'
    env = {**os.environ, "CLUSTER": _cluster_id(), "CONFIG": str(properties)}
    child = Child("kafka", ["/bin/sh", "-c", script, "sh", *java], folder, env)
    return LocalServer(child, port, f"{HOST}:{port}", lambda: answers(port), deadline_s=60)


def _java() -> str:
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(f"{home}/bin/java") if home else None
    java = java or shutil.which("java")
    if java is None:
        msg = (
            "Apache Kafka needs Java 17 or newer: install it, name it with JAVA_HOME, or unset KAFKA_HOME to use Tansu"
        )
        raise LocalError(msg)
    return java


def _cluster_id() -> str:
    # As Kafka's own: 22 characters, and none may look like an option of the command.
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")


def _properties(port: int, controller: int, data: Path) -> str:
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{HOST}:{controller}",
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(data),
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "group.initial.rebalance.delay.ms": "0",
        "broker.session.timeout.ms": "6000",
        "auto.create.topics.enable": "false",
        "controlled.shutdown.enable": "false",
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())

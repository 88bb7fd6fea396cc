"""Apache Kafka: one node that is broker and controller (KRaft), with its data in a temporary folder."""

import base64
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

from hangtag.cli.local.child import Child
from hangtag.cli.local.errors import LocalError
from hangtag.cli.local.server import HOST, LocalServer, free_port, responds

_HEAP = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_LOG4J = """\
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{HH:mm:ss} %p %m (%c{1})%n
rootLogger.level=WARN
rootLogger.appenderRef.out.ref=out
"""


def start_apache(
    folder: Path,
    home: Path,
    more: Mapping[str, str] | None = None,
    port: int | None = None,
    cluster_id: str | None = None,
) -> LocalServer:
    """Start the Kafka release in the folder `home` on `port` or any free port.

    Returns at once; enter the result to wait for it.

    `more` are properties of its configuration that are added or changed. With a `cluster_id`, several nodes can be one
    cluster, and a node that ran before in the same `folder` starts with its data.

    Raises:
        LocalError: `home` is not a Kafka release, or Java is not installed.
    """
    if not any(home.glob("libs/kafka*.jar")):
        msg = f"KAFKA_HOME={home}: contains no libs/kafka*.jar; set it to the folder of an unpacked Kafka release"
        raise LocalError(msg)
    port = port or free_port()
    properties, log4j = folder / "server.properties", folder / "log4j2.properties"
    properties.write_text(_properties(port, free_port(), folder / "kafka-data", more or {}), encoding="utf-8")
    log4j.write_text(_LOG4J, encoding="utf-8")
    java = [_java(), *_HEAP, f"-Dlog4j2.configurationFile={log4j}", "-cp", f"{home}/libs/*"]
    # A shell formats the folder first (its own JVM, 2 s), so that the caller need not wait; `exec` then replaces it.
    script = (
        '"$@" kafka.tools.StorageTool format --ignore-formatted -t "$CLUSTER" -c "$CONFIG" '
        '&& exec "$@" kafka.Kafka "$CONFIG"'
    )
    env = {**os.environ, "CLUSTER": cluster_id or new_cluster_id(), "CONFIG": str(properties)}
    child = Child("kafka", ["/bin/sh", "-c", script, "sh", *java], folder, env)
    return LocalServer(child, port, f"{HOST}:{port}", lambda: responds(port), deadline_s=60)


def _java() -> str:
    home = os.environ.get("JAVA_HOME")
    java = shutil.which(f"{home}/bin/java") if home else None
    java = java or shutil.which("java")
    if java is None:
        msg = "Apache Kafka needs Java 17 or newer: install it, set JAVA_HOME, or unset KAFKA_HOME to use Tansu instead"
        raise LocalError(msg)
    return java


def new_cluster_id() -> str:
    """A random id for a cluster."""
    # Like Kafka's own ids: 22 characters. Without "-": a leading one would be taken for an option.
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")


def _properties(port: int, controller: int, data: Path, more: Mapping[str, str]) -> str:
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
        **more,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())

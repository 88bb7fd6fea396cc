"""The brokers of a run: three nodes of Apache Kafka behind proxies, or the one local broker."""

import os
import signal
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from hangtag.cli.local import LocalServer, create_topics, free_port, start_broker
from hangtag.cli.local.apache import new_cluster_id, start_apache
from hangtag.cli.local.server import responds
from hangtag.settings import KafkaSettings
from tests.forwarder import Forwarder, forwarding

_NODES = 3
_REFUSING_BYTES = 100
_ANSWER_MS = 10_000

# On an overloaded machine a call may take too long.
_again = retry(retry=retry_if_exception_type(KafkaError), stop=stop_after_delay(60), wait=wait_fixed(0.5), reraise=True)


class Brokers:
    """Started by entering. `direct` leads to the brokers, `proxied` to the same ones through `proxies`.

    With one local broker there are no proxies, and both lead to it.
    """

    def __init__(self, folder: Path, kafka_home: Path | None) -> None:
        self._folder = folder
        self._home = kafka_home
        self._exit = ExitStack()
        self._nodes: list[LocalServer] = []
        self._ports = [(free_port(), free_port(), free_port()) for _ in range(_NODES)]
        self._cluster_id = new_cluster_id()
        self.proxies: list[Forwarder] = []
        self.direct = self.proxied = ""

    @property
    def are_many(self) -> bool:
        """True for three nodes of Apache Kafka, false for the one local broker."""
        return self._home is not None

    @property
    def kind(self) -> str:
        """What runs, for the report."""
        return f"Apache Kafka, {_NODES} brokers" if self.are_many else "Tansu, 1 broker"

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            if self.are_many:
                self.proxies = [starting.enter_context(forwarding(inside)) for _, inside, _ in self._ports]
                for node in range(_NODES):
                    self._nodes.append(self._start(node))
                    starting.callback(lambda node=node: self._nodes[node].stop())
                self.direct = ",".join(node.url for node in self._nodes)
                self.proxied = ",".join(f"127.0.0.1:{proxy.port}" for proxy in self.proxies)
            else:
                self._nodes.append(start_broker("tansu", self._folder))
                starting.callback(self._nodes[0].stop)
                self.direct = self.proxied = self._nodes[0].url
            for node in self._nodes:
                node.wait_until_ready()
            create_topics(KafkaSettings(bootstrap=self.direct), replication=len(self._nodes), deadline_s=120)
            self._exit = starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        for node in self._nodes:  # ask all of them before waiting for each
            node.child.ask_to_stop()
        self._exit.close()

    def kill(self, node: int) -> None:
        """Kill a node with -9."""
        os.kill(self._nodes[node].child.pid, signal.SIGKILL)
        self._nodes[node].stop()

    def restart(self, node: int) -> None:
        """Start a killed node again, with its data; returns at once."""
        self._nodes[node] = self._start(node)

    @_again
    def busiest(self, topic: str) -> int:
        """The node that leads most partitions of a topic."""
        leaders = Counter(partition["leader_id"] for partition in self._partitions(topic))
        return leaders.most_common(1)[0][0] - 1

    def are_in_sync(self, topic: str) -> bool:
        """True if every node answers and has every record of the topic."""
        return all(responds(node.port) for node in self._nodes) and all(
            len(partition["isr_nodes"]) == len(self._nodes) for partition in self._partitions(topic)
        )

    @_again
    def refuse_dead_letters(self, topic: str, *, usual_bytes: int | None = None) -> None:
        """Let the topic refuse every record for its size, or take records of up to `usual_bytes` again."""
        limit = {"max.message.bytes": str(usual_bytes or _REFUSING_BYTES)}
        with self._admin() as admin:
            admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, limit)])

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """The committed offset of each partition, 0 where there is none."""
        with self._admin() as admin:
            found = admin.list_group_offsets(group)[group]
        return {at.partition: found_at.offset for at, found_at in found.items() if at.topic == topic}

    def ends(self, topic: str) -> dict[int, int]:
        """The end of each partition, transactions' markers included."""
        with KafkaConsumer(bootstrap_servers=self.direct.split(","), request_timeout_ms=_ANSWER_MS) as consumer:
            places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
            return {at.partition: end for at, end in consumer.end_offsets(places).items()}

    def _partitions(self, topic: str) -> list[dict[str, Any]]:
        with self._admin() as admin:
            return admin.describe_topics([topic])[0]["partitions"]

    def _admin(self) -> KafkaAdminClient:
        return KafkaAdminClient(bootstrap_servers=self.direct.split(","), request_timeout_ms=_ANSWER_MS)

    def _start(self, node: int) -> LocalServer:
        folder = self._folder / f"kafka-{node}"
        folder.mkdir(exist_ok=True)
        port, inside, controller = self._ports[node]
        here = "127.0.0.1"
        more = {
            "node.id": str(node + 1),
            "controller.quorum.voters": ",".join(
                f"{number}@{here}:{at}" for number, (_, _, at) in enumerate(self._ports, 1)
            ),
            "listeners": f"PLAINTEXT://{here}:{port},PROXIED://{here}:{inside},CONTROLLER://{here}:{controller}",
            "advertised.listeners": f"PLAINTEXT://{here}:{port},PROXIED://{here}:{self.proxies[node].port}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "default.replication.factor": str(_NODES),
            "min.insync.replicas": "2",
            "offsets.topic.replication.factor": str(_NODES),
            "transaction.state.log.replication.factor": str(_NODES),
            "transaction.state.log.min.isr": "2",
            # Records that are too large for Hangtag must get into the topic.
            "message.max.bytes": "4194304",
        }
        assert self._home is not None
        return start_apache(folder, self._home, more, port, self._cluster_id)

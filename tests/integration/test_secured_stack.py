"""All programs, each with a user of its own, on a Kafka and a Redis that let nobody in without TLS and a right.

Each has exactly the rights that the docs list. What the servers were asked is recorded and compared with the lists.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import redis
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError

from hangtag.bundle import STARTER
from hangtag.cli.local import Child, create_topics, free_port
from hangtag.kafka.options import kafka_options
from hangtag.settings import KafkaSettings
from hangtag.settings.secret_file import SecretFile
from hangtag.v1 import tags_pb2, tags_pb2_grpc
from tests.certificates import Certificates, make_certificates
from tests.leaks import SECRET, TEXT
from tests.redis_tls import start_redis_tls
from tests.secured_kafka import Allowed, SecuredKafka, secured_kafka

DOCS = Path(__file__).resolve().parents[2] / "docs"
PASSWORD = f"{SECRET}-1"
NEW_PASSWORD = f"{SECRET}-2"
DEADLINE_S = 200
# Of every connection, whoever it is. Redis before 7.2 has no `client|setinfo`.
HANDSHAKE = {"hello", "auth", "client|setinfo"}
# What the test itself asks for.
OF_THE_TEST = {"acl|setuser", "acl|log", "config|set", "config|resetstat", "info", "client|kill"}
PRODUCTS = [
    {"product_id": "scarf", "title": f"Red wool scarf for women {TEXT}", "merchant_category": "clothing"},
    {"product_id": "empty", "title": "", "description": ""},
]

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]


def rights_of_the_page() -> set[Allowed]:
    """The ACLs of Kafka that docs/security.md lists."""
    found = set()
    for user, rest in re.findall(
        r"^    acl User:(\w+) +(.*)$", (DOCS / "security.md").read_text("utf-8"), re.MULTILINE
    ):
        operations = re.findall(r"--operation (\w+)", rest)
        resources = re.findall(r"--(topic|group) (\S+)", rest)
        found |= {Allowed(user, operation, *resource) for operation in operations for resource in resources}
    assert found
    return found


def commands_of_the_page(user: str) -> list[str]:
    """The rules for a user of the store that docs/operations.md lists."""
    (line,) = re.findall(rf"ACL SETUSER {user} on >secret (.*)", (DOCS / "operations.md").read_text("utf-8"))
    return line.split()


@pytest.fixture(scope="module")
def broker(
    tmp_path_factory: pytest.TempPathFactory, kafka_home: Path | None, certificates: Certificates
) -> Iterator[SecuredKafka]:
    if kafka_home is None:
        pytest.skip("no Apache Kafka: KAFKA_HOME names no release folder and ../shared/kafka is not there")
    plain = {"arrivals": PASSWORD}
    with secured_kafka(tmp_path_factory.mktemp("kafka"), kafka_home, certificates, plain) as broker:
        for user in ("worker", "index", "operator", "release"):
            broker.set_password(user, PASSWORD)
        broker.allow(sorted(rights_of_the_page()))
        broker.record()
        yield broker


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[tuple[int, redis.Redis]]:
    """The port of a Redis with the users of docs/operations.md, and a client that may do everything."""
    folder = tmp_path_factory.mktemp("redis")
    with (
        start_redis_tls(folder, certificates) as server,
        redis.Redis(unix_socket_path=str(folder / "redis.sock"), decode_responses=True) as admin,
    ):
        for user in ("worker", "server", "verify", "release"):
            admin.execute_command("ACL", "SETUSER", user, "on", f">{PASSWORD}", *commands_of_the_page(user))
        # Nobody gets in without a name, as on every server that others can reach.
        admin.config_set("tls-auth-clients", "yes")
        yield server.port, admin


@pytest.fixture
def from_the_start(broker: SecuredKafka, store: tuple[int, redis.Redis]) -> int:
    """Broker and store as they were before any program used them, also where an earlier try of the test has.

    Returns how many lines the broker has recorded before.
    """
    _, admin = store
    if not create_topics(broker.topic_settings()):
        broker.delete_topics()
        create_topics(broker.topic_settings())
        admin.flushall()
    for user in ("worker", "server", "verify"):
        admin.execute_command("ACL", "SETUSER", user, "resetpass", f">{PASSWORD}")
    admin.execute_command("ACL", "LOG", "RESET")
    admin.config_resetstat()
    return len(broker.recorded())


@dataclass(frozen=True)
class Stack:
    """Starts the programs, each with its own credentials in files."""

    broker: SecuredKafka
    port: int
    folder: Path
    server_port: int

    def environment(self, command: str, store_user: str = "") -> dict[str, str]:
        """The environment of a command: who it is to Kafka and to the store."""
        files = self.broker.certificates
        kafka = {
            "work": {
                "sasl_mechanism": "SCRAM-SHA-512",
                "sasl_username": "worker",
                "sasl_password_file": self.kafka_password,
            },
            "arrivals": {
                "sasl_mechanism": "PLAIN",
                "sasl_username": "arrivals",
                "sasl_password_file": self.kafka_password,
            },
            "serve": {"sasl_mechanism": "OAUTHBEARER", "sasl_token_file": self.token},
            "model": {
                "sasl_mechanism": "SCRAM-SHA-512",
                "sasl_username": "release",
                "sasl_password_file": self.kafka_password,
            },
            "index": {
                "sasl_mechanism": "SCRAM-SHA-256",
                "sasl_username": "index",
                "sasl_password_file": self.kafka_password,
            },
            "publish": {"cert_file": files.client_cert, "key_file": files.client_key},
        }.get(
            command,
            {"sasl_mechanism": "SCRAM-SHA-256", "sasl_username": "operator", "sasl_password_file": self.kafka_password},
        )
        is_named = "sasl_mechanism" in kafka
        settings = {
            "KAFKA__BOOTSTRAP": self.broker.sasl if is_named else self.broker.certified,
            "KAFKA__SECURITY_PROTOCOL": "SASL_SSL" if is_named else "SSL",
            "KAFKA__CA_FILE": files.ca,
            **{f"KAFKA__{name.upper()}": value for name, value in kafka.items()},
            "REDIS__URL": f"rediss://{store_user}@127.0.0.1:{self.port}/0",
            "REDIS__PASSWORD_FILE": self.password,
            "REDIS__CA_FILE": files.ca,
            "REDIS__CERT_FILE": files.client_cert,
            "REDIS__KEY_FILE": files.client_key,
            "MODELS__STORE": self.folder / "models",
            "MODELS__CACHE_DIR": self.folder / "cache",
            "SERVER__PORT": self.server_port,
            "SERVER__METRICS_PORT": 0,
            "WORKER__METRICS_PORT": 0,
            "ARRIVALS__METRICS_PORT": 0,
            "INDEX__PORT": 0,
            "INDEX__METRICS_PORT": 0,
        }
        return {**os.environ, **{f"HANGTAG_{name}": str(value) for name, value in settings.items()}}

    @property
    def password(self) -> Path:
        return self.folder / "password"

    @property
    def kafka_password(self) -> Path:
        """Not the same file: the store's password changes."""
        return self.folder / "kafka-password"

    @property
    def token(self) -> Path:
        return self.folder / "token"

    def start(self, command: str, store_user: str = "") -> Child:
        """Start a program that runs until it is stopped."""
        words = ("index", "serve") if command == "index" else (command,)
        arguments = [sys.executable, "-P", "-m", "hangtag.cli", *words]
        return Child(command, arguments, self.folder, self.environment(command, store_user))

    def run(self, *arguments: str, store_user: str = "worker") -> str:
        """Run a command; what it prints."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "hangtag.cli", *arguments],
            env=self.environment(arguments[0], store_user),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        return done.stdout

    def publish(self, version: int) -> None:
        """Send the products as the shop."""
        feed = self.folder / "feed.jsonl"
        feed.write_text("".join(json.dumps(product) + "\n" for product in PRODUCTS))
        self.run("publish", str(feed), "--version", str(version))


def wait_until(is_true: Callable[[], bool], *children: Child) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not is_true():
        for child in children:
            assert child.is_running, child.exit_report()
        assert time.monotonic() < deadline, "\n".join(child.tail(40) for child in children)
        time.sleep(0.1)


def version_of(port: int, product: str) -> int:
    """The version that a look-up answers with; 0: there are no tags yet."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        request = tags_pb2.BatchGetProductTagsRequest(product_ids=[product])
        try:
            answer = tags_pb2_grpc.TagServiceStub(channel).BatchGetProductTags(request, timeout=30, wait_for_ready=True)
        except grpc.RpcError:
            return 0  # the store is away for a moment
    return answer.products[0].version if answer.products[0].freshness == tags_pb2.FRESHNESS_FRESH else 0


def repeat_first_record(broker: SecuredKafka, topic: str, key: bytes) -> None:
    """Produce the first record of a key once more."""
    consumer = KafkaConsumer(
        topic, bootstrap_servers=broker.plain, auto_offset_reset="earliest", enable_auto_commit=False
    )
    with closing(consumer), closing(KafkaProducer(bootstrap_servers=broker.plain)) as producer:
        first = next(record for record in consumer if record.key == key)
        producer.send(topic, key=key, value=first.value, headers=first.headers).get(timeout=DEADLINE_S)


def asked_of_the_store(admin: redis.Redis) -> set[str]:
    """The commands that were sent, those inside scripts included."""
    stats: Mapping[str, object] = admin.info("commandstats")
    return {name.removeprefix("cmdstat_") for name in stats}


def test_every_program_needs_exactly_the_rights_that_the_docs_list(
    broker: SecuredKafka, store: tuple[int, redis.Redis], from_the_start: int, tmp_path: Path
) -> None:
    port, admin = store
    of_programs = {each for each in rights_of_the_page() if each.user in {"worker", "arrivals", "server", "index"}}
    stack = Stack(broker, port, tmp_path, free_port())
    stack.password.write_text(PASSWORD + "\n")
    stack.kafka_password.write_text(PASSWORD + "\n")
    stack.token.write_text(broker.token("server"))
    stack.run("model", "push", str(STARTER), store_user="release")
    (listed_bundle,) = json.loads(stack.run("model", "list", "--json", store_user="release"))
    stack.run("model", "promote", listed_bundle["version"], "--reason", "a test", store_user="release")
    with ExitStack() as running:
        programs = _, _, server, _ = (
            stack.start("work", "worker"),
            stack.start("arrivals", "worker"),
            stack.start("serve", "server"),
            stack.start("index"),
        )
        for child in programs:
            running.callback(child.stop)
        stack.publish(version=1)
        wait_until(lambda: version_of(stack.server_port, "scarf") == 1, *programs)
        wait_until(lambda: "follows" in server.log.read_text(), *programs)
        wait_until(lambda: "empty" in stack.run("deadletters", "list"), *programs)
        stack.run("deadletters", "replay", "--all", "--yes")

        # The passwords of the store are changed, and their file is written over, as orchestrators do.
        for user in ("worker", "server", "verify"):
            admin.execute_command("ACL", "SETUSER", user, f">{NEW_PASSWORD}")
        stack.password.write_text(NEW_PASSWORD + "\n")
        for user in ("worker", "server", "verify"):
            admin.execute_command("ACL", "SETUSER", user, f"<{PASSWORD}")
        for user in ("worker", "server"):
            admin.execute_command("CLIENT", "KILL", "USER", user)
        stack.publish(version=2)
        wait_until(lambda: version_of(stack.server_port, "scarf") == 2, *programs)
        # Nothing above waits for the reader of arrivals or for the index.
        wait_until(lambda: of_programs <= rights_used(broker, from_the_start), *programs)
    # An older record behind the newest, and no worker that corrects it: the rebuild has to produce the newest again.
    repeat_first_record(broker, "products.tagged", b"scarf")
    stack.run("rebuild")
    stack.run("verify", "--grace", "0", store_user="verify")

    rules = {rule for user in ("worker", "server", "verify", "release") for rule in commands_of_the_page(user)}
    listed = {rule.removeprefix("+") for rule in rules if rule.startswith("+")}
    asked = asked_of_the_store(admin)
    assert asked - HANDSHAKE - OF_THE_TEST == listed - OF_THE_TEST
    # A connection that is made while a password changes may be refused once; that is no missing right.
    log = [entry for entry in admin.acl_log() if entry["username"] != "default" and entry["reason"] != "auth"]
    assert [entry["object"] for entry in log] == []

    recorded = broker.recorded()[from_the_start:]
    denied = [line for line in recorded if "is Denied" in line and "User:ANONYMOUS" not in line]
    assert denied == []
    assert rights_used(broker, from_the_start) == rights_of_the_page()


def rights_used(broker: SecuredKafka, since: int) -> set[Allowed]:
    """What the broker was asked and allowed, behind so many lines. Describe is left out: Read and Write include it."""
    pattern = re.compile(r"Principal = User:(\w+) is Allowed operation = (\w+) .* on resource = (\w+):LITERAL:(\S+)")
    found = [match for line in broker.recorded()[since:] if (match := pattern.search(line))]
    asked = {(match[1], match[2], match[3].lower(), match[4]) for match in found}
    return {
        Allowed(user, "".join(part.title() for part in operation.split("_")), kind, name)
        for user, operation, kind, name in asked
        if user != "ANONYMOUS" and operation != "DESCRIBE"
    }


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_a_rotated_password_is_used_by_the_next_connection(
    broker: SecuredKafka, certificates: Certificates, tmp_path: Path, mechanism: str
) -> None:
    file = tmp_path / "password"
    file.write_text(f"{SECRET}-1")
    broker.set_password("rotating", f"{SECRET}-1")
    options = kafka_options(
        KafkaSettings(
            bootstrap=broker.sasl,
            security_protocol="SASL_SSL",
            ca_file=certificates.ca,
            sasl_mechanism=mechanism,
            sasl_username="rotating",
            sasl_password=SecretFile(file),
        ),
        "test",
    )
    wait_until(lambda: connects(options))

    broker.set_password("rotating", f"{SECRET}-2")
    wait_until(lambda: not connects(options))
    file.write_text(f"{SECRET}-2")
    wait_until(lambda: connects(options))


def test_tokens_come_from_a_file_or_a_command_and_are_renewed(
    broker: SecuredKafka, certificates: Certificates, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(f"not.{SECRET}.token")
    bearer = KafkaSettings(
        bootstrap=broker.sasl, security_protocol="SASL_SSL", ca_file=certificates.ca, sasl_mechanism="OAUTHBEARER"
    )
    options = kafka_options(bearer.model_copy(update={"sasl_token": SecretFile(file)}), "test")
    assert not connects(options)
    file.write_text(broker.token("server"))
    wait_until(lambda: connects(options))

    printed = kafka_options(bearer.model_copy(update={"sasl_token_command": f"cat '{file}'"}), "test")
    wait_until(lambda: connects(printed))


def test_without_a_name_or_with_the_certificate_of_another_authority_nobody_connects(
    broker: SecuredKafka, certificates: Certificates, tmp_path: Path
) -> None:
    stranger = make_certificates(tmp_path)
    own = {"cert_file": certificates.client_cert, "key_file": certificates.client_key}
    tls = {"security_protocol": "SSL", "ca_file": certificates.ca}
    for bootstrap, settings in (
        (broker.sasl, tls),
        (broker.certified, tls),
        (broker.certified, {**tls, "cert_file": stranger.client_cert, "key_file": stranger.client_key}),
    ):
        assert not connects(kafka_options(KafkaSettings(bootstrap=bootstrap, **settings), "test"))
    right = KafkaSettings(bootstrap=broker.certified, **tls, **own)
    wait_until(lambda: connects(kafka_options(right, "test")))


def connects(options: dict[str, object]) -> bool:
    """Whether a broker answers a new client."""
    try:
        with KafkaAdminClient(**options, bootstrap_timeout_ms=1_500) as admin:
            admin.list_topics()
    except KafkaError:
        return False
    return True

"""A real Apache Kafka whose clients need TLS, a name of their own and ACLs."""

import base64
import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pytest
from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    ConfigResource,
    ConfigResourceType,
    ResourcePattern,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from hangtag.cli.local import LocalServer, free_port
from hangtag.cli.local.apache import start_apache
from hangtag.settings import KafkaSettings
from tests.certificates import Certificates

_HOST = "127.0.0.1"
_LOGIN = "org.apache.kafka.common.security"
_AUDIT = "kafka.authorizer.logger"


class Allowed(NamedTuple):
    """One ACL: a user may do `operation` with a resource."""

    user: str
    operation: str
    kind: str
    name: str


@dataclass(frozen=True)
class SecuredKafka:
    """A broker with a listener for SASL over TLS, one for client certificates, and one without either for the test."""

    server: LocalServer
    certificates: Certificates
    plain: str
    sasl: str
    certified: str

    def admin(self) -> KafkaAdminClient:
        """A client that may do everything."""
        return KafkaAdminClient(bootstrap_servers=self.plain)

    def topic_settings(self) -> KafkaSettings:
        """Settings with which the test makes topics."""
        return KafkaSettings(bootstrap=self.plain)

    def set_password(self, user: str, password: str) -> None:
        """Give a user of SCRAM a password, for both mechanisms."""
        with self.admin() as admin:
            mechanisms = (ScramMechanism.SCRAM_SHA_256, ScramMechanism.SCRAM_SHA_512)
            made = [UserScramCredentialUpsertion(user, each, password, iterations=4_096) for each in mechanisms]
            for each in made:  # one alteration of a user in a request
                assert admin.alter_user_scram_credentials([each]) == {user: None}

    def allow(self, rules: Sequence[Allowed]) -> None:
        """Add these ACLs."""
        acls = [
            ACL(
                f"User:{rule.user}",
                "*",
                ACLOperation[_constant(rule.operation)],
                ACLPermissionType.ALLOW,
                ResourcePattern(ResourceType[rule.kind.upper()], rule.name),
            )
            for rule in rules
        ]
        with self.admin() as admin:
            assert not admin.create_acls(acls)["failed"]

    def delete_topics(self) -> None:
        """Delete all topics, and the offsets that were committed for them."""

        def found(admin: KafkaAdminClient) -> list[str]:
            return [topic for topic in admin.list_topics() if not topic.startswith("__")]

        with self.admin() as admin:
            admin.delete_topics(found(admin))
            while found(admin):
                time.sleep(0.1)

    def record(self) -> None:
        """From now on, write into the broker's log by which ACL each request is allowed, and which are denied."""
        with self.admin() as admin:
            admin.alter_configs(
                [ConfigResource(ConfigResourceType.BROKER_LOGGER, "1", {_AUDIT: "DEBUG"})], raise_on_unknown=False
            )

    def recorded(self) -> list[str]:
        """The lines of the broker's log about requests that were allowed or denied."""
        text = self.server.child.log.read_text(encoding="utf-8", errors="replace")
        return [line for line in text.splitlines() if "Principal = User:" in line]

    def token(self, user: str, *, lives_s: int = 3_600) -> str:
        """A signed access token, as an identity provider makes it."""
        now = int(time.time())
        parts = {"alg": "RS256", "kid": "test"}, {"sub": user, "iat": now, "exp": now + lives_s}
        signed = ".".join(_base64(json.dumps(part).encode()) for part in parts)
        signature = subprocess.run(
            ["openssl", "dgst", "-sha256", "-sign", str(self.certificates.client_key)],
            input=signed.encode(),
            capture_output=True,
            check=True,
        ).stdout
        return f"{signed}.{_base64(signature)}"


@contextmanager
def secured_kafka(
    folder: Path, home: Path, certificates: Certificates, plain_passwords: dict[str, str]
) -> Iterator[SecuredKafka]:
    """Start it; `plain_passwords` are those of the users of PLAIN.

    The client of `certificates` is the user `shop`, and its key signs the tokens that the broker believes.
    """
    plain, sasl, certified, controller = (free_port() for _ in range(4))
    outer = f"SASL_SSL://{_HOST}:{sasl},SSL://{_HOST}:{certified}"
    keystore, keys = folder / "keystore.pem", folder / "keys.json"
    keystore.write_text(certificates.server_key.read_text() + certificates.server_cert.read_text())
    keys.write_text(json.dumps({"keys": [_public_key(certificates.client_key)]}))
    users = " ".join(f'user_{name}="{password}"' for name, password in plain_passwords.items())
    listener = "listener.name.sasl_ssl"
    more = {
        "controller.quorum.voters": f"1@{_HOST}:{controller}",
        "listeners": f"PLAINTEXT://{_HOST}:{plain},CONTROLLER://{_HOST}:{controller},{outer}",
        "advertised.listeners": f"PLAINTEXT://{_HOST}:{plain},{outer}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL",
        "inter.broker.listener.name": "PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
        f"{listener}.plain.sasl.jaas.config": f"{_LOGIN}.plain.PlainLoginModule required {users};",
        f"{listener}.scram-sha-256.sasl.jaas.config": f"{_LOGIN}.scram.ScramLoginModule required;",
        f"{listener}.scram-sha-512.sasl.jaas.config": f"{_LOGIN}.scram.ScramLoginModule required;",
        f"{listener}.oauthbearer.sasl.jaas.config": f"{_LOGIN}.oauthbearer.OAuthBearerLoginModule required;",
        f"{listener}.oauthbearer.sasl.server.callback.handler.class": (
            f"{_LOGIN}.oauthbearer.OAuthBearerValidatorCallbackHandler"
        ),
        f"{listener}.oauthbearer.sasl.oauthbearer.jwks.endpoint.url": keys.as_uri(),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(keystore),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(certificates.ca),
        "listener.name.ssl.ssl.client.auth": "required",
        "ssl.principal.mapping.rules": "RULE:^CN=client$/shop/",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }
    with pytest.MonkeyPatch.context() as patch:
        allowed = f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={keys.as_uri()}"
        patch.setenv("JAVA_TOOL_OPTIONS", f"{os.environ.get('JAVA_TOOL_OPTIONS', '')} {allowed}")
        server = start_apache(folder, home, more, plain)
    with server:
        yield SecuredKafka(server, certificates, f"{_HOST}:{plain}", f"{_HOST}:{sasl}", f"{_HOST}:{certified}")


def _constant(operation: str) -> str:
    """DESCRIBE_CONFIGS for DescribeConfigs."""
    return "".join(f"_{letter}" if letter.isupper() else letter.upper() for letter in operation).lstrip("_")


def _public_key(key: Path) -> dict[str, str]:
    shown = subprocess.run(
        ["openssl", "rsa", "-in", str(key), "-noout", "-modulus"], capture_output=True, check=True, text=True
    ).stdout
    modulus = bytes.fromhex(shown.strip().partition("=")[2])
    return {"kty": "RSA", "kid": "test", "use": "sig", "alg": "RS256", "n": _base64(modulus), "e": "AQAB"}


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

"""What the settings become for kafka-python; errors name the setting before anything connects."""

from pathlib import Path

import pytest

from hangtag.kafka.options import kafka_options
from hangtag.settings import KafkaSettings, SettingsError
from tests.certificates import Certificates


def mutual(certificates: Certificates, **changed: object) -> KafkaSettings:
    files = {
        "ca_file": certificates.ca,
        "cert_file": certificates.client_cert,
        "key_file": certificates.client_locked_key,
        "key_password": "hunter2",
    }
    return KafkaSettings(**{"security_protocol": "SSL", **files, **changed})


def test_files_and_password_of_mutual_tls_are_passed_on(certificates: Certificates) -> None:
    options = kafka_options(mutual(certificates), "test")

    assert {name: value for name, value in options.items() if name.startswith("ssl_")} == {
        "ssl_cafile": str(certificates.ca),
        "ssl_certfile": str(certificates.client_cert),
        "ssl_keyfile": str(certificates.client_locked_key),
        "ssl_password": "hunter2",
    }


@pytest.mark.parametrize("leaf", ["ca_file", "cert_file", "key_file"])
def test_a_missing_file_is_named(certificates: Certificates, leaf: str, tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"

    with pytest.raises(SettingsError, match=f"HANGTAG_KAFKA__{leaf.upper()}: {missing}: No such file"):
        kafka_options(mutual(certificates, **{leaf: missing}), "test")


def test_files_without_tls_are_refused(certificates: Certificates) -> None:
    with pytest.raises(SettingsError, match="CA_FILE is set, but .* not encrypted.*HANGTAG_KAFKA__SECURITY_PROTOCOL"):
        kafka_options(mutual(certificates, security_protocol="PLAINTEXT"), "test")


@pytest.mark.parametrize("password", [None, "wrong"])
def test_a_password_that_does_not_open_the_key_is_named_and_nobody_is_asked_for_it(
    certificates: Certificates, password: str | None
) -> None:
    with pytest.raises(SettingsError, match="HANGTAG_KAFKA__KEY_PASSWORD must be the key's password") as caught:
        kafka_options(mutual(certificates, key_password=password), "test")

    assert "hunter2" not in str(caught.value)

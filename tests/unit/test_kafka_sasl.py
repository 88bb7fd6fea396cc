"""Credentials for the brokers: what is missing is named, and a command that fails quotes nothing that it printed."""

import sys
from pathlib import Path

import pytest
from kafka.errors import SaslAuthenticationFailedError

from hangtag.kafka.options import kafka_options
from hangtag.kafka.trouble import KafkaSettingsError, Trouble, check_settings
from hangtag.settings import KafkaSettings

BEARER = {"security_protocol": "SASL_SSL", "sasl_mechanism": "OAUTHBEARER"}
PRINTED = "printed-4711"


def command(code: str) -> str:
    return f"'{sys.executable}' -c \"{code}\""


def token_of(command: str) -> str:
    settings = KafkaSettings(**BEARER, sasl_token_command=command)
    check_settings(settings)
    return kafka_options(settings, "test")["sasl_oauth_token_provider"].token()


def test_a_token_is_needed_from_one_place() -> None:
    with pytest.raises(KafkaSettingsError, match=r"kafka\.sasl_token is not set"):
        check_settings(KafkaSettings(**BEARER))
    with pytest.raises(KafkaSettingsError, match="are both set; remove one"):
        check_settings(KafkaSettings(**BEARER, sasl_token="a", sasl_token_command="b"))
    check_settings(KafkaSettings(**BEARER, sasl_token="a"))


def test_a_command_is_run_once_for_connections_at_the_same_time(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    settings = KafkaSettings(
        **BEARER, sasl_token_command=command(f"open('{runs}', 'a').write('x'); print('{PRINTED}')")
    )
    provider = kafka_options(settings, "test")["sasl_oauth_token_provider"]

    assert [provider.token(), provider.token()] == [PRINTED] * 2
    assert runs.read_text() == "x"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (command(f"print('{PRINTED}'); raise SystemExit(3)"), "ended with 3"),
        (command("pass"), "printed nothing"),
        (command("print(chr(233))"), "printed something else than a token"),
        ("no-such-command-4711", "cannot be run (No such file or directory)"),
        ("'", "cannot be run"),
    ],
    ids=["fails", "prints nothing", "no token", "is not there", "is not closed"],
)
def test_a_command_that_fails_is_named_and_what_it_printed_is_not(wrong: str, reason: str) -> None:
    with pytest.raises(SaslAuthenticationFailedError) as caught:
        token_of(wrong)

    said = Trouble(KafkaSettings(**BEARER, sasl_token_command=wrong)).explain(caught.value)
    assert f"kafka.sasl_token_command {reason}" in str(caught.value)
    assert "check kafka.sasl_token_command by running it" in said
    assert PRINTED not in str(caught.value) + said
    assert caught.value.__cause__ is None


def test_a_token_that_the_broker_refuses_is_not_called_a_password() -> None:
    said = Trouble(KafkaSettings(**BEARER, sasl_token="a")).explain(SaslAuthenticationFailedError("refused"))

    assert said == "the broker refuses the token; check kafka.sasl_token or kafka.sasl_token_command"

"""Who Hangtag is to the brokers: credentials that kafka-python takes anew for every connection.

kafka-python makes an object of the mechanism's class for each connection, and again when a broker asks for it.
"""

import shlex
import subprocess
import threading
import time
from typing import Any

from kafka.errors import SaslAuthenticationFailedError
from kafka.net.sasl import register_sasl_mechanism
from kafka.net.sasl.oauth import AbstractTokenProvider
from kafka.net.sasl.plain import SaslMechanismPlain
from kafka.net.sasl.scram import SaslMechanismScram
from pydantic import SecretStr

from hangtag.settings import KafkaSettings

# Brokers close a connection whose client is not authenticated within 30 s.
_COMMAND_LIMIT_S = 10
# The clients of a program connect to several brokers at the same time; tokens live for minutes at least.
_REUSED_S = 60.0


def sasl_options(settings: KafkaSettings) -> dict[str, Any]:
    """The options of kafka-python for SASL; none without a mechanism."""
    if settings.sasl_mechanism is None:
        return {}
    options: dict[str, Any] = {"sasl_mechanism": settings.sasl_mechanism}
    if settings.sasl_mechanism == "OAUTHBEARER":
        return options | {"sasl_oauth_token_provider": _Tokens(settings)}
    return options | {"sasl_plain_username": settings.sasl_username, "sasl_plain_password": settings.sasl_password}


class _Plain(SaslMechanismPlain):  # type: ignore[misc] # kafka-python carries no types
    def __init__(self, **config: Any) -> None:
        super().__init__(**_with_present_password(config))


class _Scram(SaslMechanismScram):  # type: ignore[misc]
    def __init__(self, **config: Any) -> None:
        super().__init__(**_with_present_password(config))


def _with_present_password(config: dict[str, Any]) -> dict[str, Any]:
    password = config.get("sasl_plain_password")
    return {**config, "sasl_plain_password": password.get_secret_value()} if isinstance(password, SecretStr) else config


register_sasl_mechanism("PLAIN", _Plain, overwrite=True)
register_sasl_mechanism("SCRAM-SHA-256", _Scram, overwrite=True)
register_sasl_mechanism("SCRAM-SHA-512", _Scram, overwrite=True)


class _Tokens(AbstractTokenProvider):  # type: ignore[misc]
    """Tokens for OAUTHBEARER: the present one of the setting, or what the command prints."""

    def __init__(self, settings: KafkaSettings) -> None:
        super().__init__()
        self._settings = settings
        self._lock = threading.Lock()
        self._printed, self._printed_s = "", float("-inf")

    def token(self) -> str:
        """The token.

        Raises:
            SaslAuthenticationFailedError: the command failed.
        """
        if self._settings.sasl_token_command is None:
            secret = self._settings.sasl_token
            return "" if secret is None else secret.get_secret_value()
        with self._lock:
            if time.monotonic() - self._printed_s > _REUSED_S:
                self._printed, self._printed_s = _run(self._settings.sasl_token_command), time.monotonic()
            return self._printed


def _run(command: str) -> str:
    """What the command prints. What it says on standard error goes to that of this program."""
    try:
        done = subprocess.run(  # noqa: S603 (whoever may write the settings may choose it)
            shlex.split(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=_COMMAND_LIMIT_S, check=True
        )
        token = done.stdout.decode("ascii").strip()
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        # Neither its message nor its cause: they quote what the command printed.
        reason = {
            subprocess.CalledProcessError: f"ended with {getattr(error, 'returncode', None)}",
            subprocess.TimeoutExpired: f"did not end within {_COMMAND_LIMIT_S} s",
            UnicodeDecodeError: "printed something else than a token",
        }.get(type(error), f"cannot be run ({getattr(error, 'strerror', None) or type(error).__name__})")
        msg = f"kafka.sasl_token_command {reason}"
        raise SaslAuthenticationFailedError(msg) from None
    if not token:
        msg = "kafka.sasl_token_command printed nothing"
        raise SaslAuthenticationFailedError(msg)
    return token

"""Why no connection to Kafka comes about, and which setting to check.

kafka-python raises the same timeout whatever the cause is, and writes the cause to its log.
"""

import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kafka import codec

from hangtag.settings import KafkaSettings

_KEPT = 200
_BOOTSTRAP = "kafka.bootstrap"
_SECURITY = "kafka.security_protocol"

# What kafka-python's log says, what it means, and what to check. The first that is found counts, so the more certain
# ones come first.
_CAUSES = (
    ("DNS lookup failed", "a name in {bootstrap} does not resolve", _BOOTSTRAP),
    ("Hostname mismatch", "the broker's certificate is for another name", f"{_BOOTSTRAP} and the certificate"),
    ("IP address mismatch", "the broker's certificate is for another address", f"{_BOOTSTRAP} and the certificate"),
    ("certificate has expired", "the broker's certificate has expired", "the certificate"),
    ("CERTIFICATE_VERIFY_FAILED", "the broker's certificate is not signed by the authority in {ca}", "kafka.ca_file"),
    ("IllegalSaslStateError", "this listener of the broker has no SASL", _SECURITY),
    ("UnsupportedSaslMechanismError", "the broker does not offer {mechanism}", "kafka.sasl_mechanism"),
    ("kafka.sasl_token_command", "the command for tokens failed", "kafka.sasl_token_command by running it"),
    ("SaslAuthenticationFailedError", "the broker refuses {proof}", "{credentials}"),
    ("Handshake failed", "the broker does not answer with TLS", _SECURITY),
    ("socket disconnected", "{closed}", "{closed_setting}"),
    ("ECONNREFUSED", "nothing listens there", f"{_BOOTSTRAP} and that the brokers run"),
    ("ECONNRESET", "the connection was reset", f"{_BOOTSTRAP} and {_SECURITY}"),
    ("EHOSTUNREACH", "there is no way to the host", f"{_BOOTSTRAP} and the network"),
    ("ENETUNREACH", "there is no way to the network", f"{_BOOTSTRAP} and the network"),
    ("imed out", "nothing answers", f"{_BOOTSTRAP}, the network, and {_SECURITY}"),
    ("no brokers", "the address is not that of a broker", _BOOTSTRAP),
)
_CODECS = {"python-snappy": codec.has_snappy, "lz4": codec.has_lz4, "zstandard": codec.has_zstd}


class KafkaSettingsError(ValueError):
    """The settings cannot work with what is there; the message says what is missing."""


def check_settings(settings: KafkaSettings) -> None:
    """Check what can be checked before anything connects.

    Raises:
        KafkaSettingsError: a setting for SASL is missing, a file is missing, cannot be read, or is not what it
            should be, or a library for compressed batches is not installed.
    """
    for library, is_installed in _CODECS.items():
        if not is_installed():
            msg = f"compressed batches cannot be read: the library {library} is missing; run pip install {library}"
            raise KafkaSettingsError(msg)
    _check_sasl(settings)
    if settings.ca_file is None:
        return
    name = f"kafka.ca_file ({settings.ca_file})"
    try:
        Path(settings.ca_file).read_bytes()
        ssl.create_default_context(cafile=str(settings.ca_file))
    except ssl.SSLError as error:
        msg = f"{name} holds no certificate in PEM format"
        raise KafkaSettingsError(msg) from error
    except OSError as error:
        msg = f"{name} cannot be read: {error.strerror}"
        raise KafkaSettingsError(msg) from error


def _check_sasl(settings: KafkaSettings) -> None:
    if not settings.security_protocol.startswith("SASL"):
        return
    needed = ["sasl_mechanism", "sasl_username", "sasl_password"]
    if settings.sasl_mechanism == "OAUTHBEARER":
        needed = ["sasl_token"] if settings.sasl_token_command is None else []
        if settings.sasl_token is not None and settings.sasl_token_command is not None:
            msg = "kafka.sasl_token and kafka.sasl_token_command are both set; remove one of them"
            raise KafkaSettingsError(msg)
    for name in needed:
        if getattr(settings, name) is None:
            msg = f"kafka.{name} is not set, and kafka.security_protocol={settings.security_protocol} needs it"
            raise KafkaSettingsError(msg)


class Trouble(logging.Handler):
    """What kafka-python logged while it tried to connect."""

    def __init__(self, settings: KafkaSettings) -> None:
        super().__init__(logging.WARNING)
        self._settings = settings
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line."""
        if len(self._lines) < _KEPT:
            self._lines.append(record.getMessage())

    def explain(self, error: Exception) -> str:
        """One sentence with the cause and the setting to check."""
        settings = self._settings
        lines = [f"{type(error).__name__}: {error}", *self._lines]
        for sign, cause, setting in _CAUSES:
            if any(sign in line for line in lines):
                words = self._words()
                return f"{cause.format(**words)}; check {setting.format(**words)}"
        reason = f"{type(error).__name__}: {error}".rstrip(": ")
        return f"{reason}; check {_BOOTSTRAP} ({settings.bootstrap}) and that the brokers run"

    def _words(self) -> dict[str, str]:
        settings = self._settings
        proof, credentials = "the user name or the password", "kafka.sasl_username and kafka.sasl_password"
        if settings.sasl_mechanism == "OAUTHBEARER":
            proof, credentials = "the token", "kafka.sasl_token or kafka.sasl_token_command"
        if settings.security_protocol.startswith("SASL"):
            closed = "the broker closed the connection, as it does for a wrong user name, password or mechanism"
            setting = f"{credentials}, kafka.sasl_mechanism"
        else:
            closed = "the broker closed the connection, as a listener does that expects TLS or SASL"
            setting = _SECURITY
        return {
            "bootstrap": settings.bootstrap,
            "ca": "the system's store" if settings.ca_file is None else str(settings.ca_file),
            "mechanism": str(settings.sasl_mechanism),
            "proof": proof,
            "credentials": credentials,
            "closed": closed,
            "closed_setting": setting,
        }


@contextmanager
def watching(settings: KafkaSettings) -> Iterator[Trouble]:
    """Within the block, collect what kafka-python logs about its connections."""
    log = logging.getLogger("kafka")
    trouble = Trouble(settings)
    log.addHandler(trouble)
    try:
        yield trouble
    finally:
        log.removeHandler(trouble)

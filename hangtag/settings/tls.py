"""The files for TLS that settings name, checked before anything connects: an error then names the file."""

import ssl
from collections.abc import Callable
from pathlib import Path

from hangtag.settings.client import ClientSettings
from hangtag.settings.index import IndexLinkSettings
from hangtag.settings.model import KafkaSettings, RedisSettings
from hangtag.settings.sources import SettingsError, variable_of

_FILES = ("ca_file", "cert_file", "key_file")
# Of each class: its group, and how its names begin.
_NAMES = {
    KafkaSettings: ("kafka", ""),
    RedisSettings: ("redis", ""),
    ClientSettings: ("client", ""),
}
_OF_THE_INDEX = ("server", "index_")


def tls_options(
    settings: KafkaSettings | RedisSettings | ClientSettings | IndexLinkSettings, *, is_encrypted: bool, switch: str
) -> dict[str, str]:
    """The settings for TLS that are set, such as `ca_file`, once it is certain that they can be used.

    `is_encrypted` says whether the group's connections use TLS at all, and `switch` how to switch it on.

    Raises:
        SettingsError: a file is missing, cannot be read or does not fit; or TLS is off.
    """
    group, prefix = _NAMES.get(type(settings), _OF_THE_INDEX)

    def named(leaf: str) -> str:
        return variable_of(f"{group}.{prefix}{leaf}")

    files = {leaf: path for leaf in _FILES if (path := getattr(settings, prefix + leaf)) is not None}
    if files and not is_encrypted:
        msg = f"{named(next(iter(files)))} is set, but connections are not encrypted; {switch}, or remove the setting"
        raise SettingsError(msg)
    for leaf, path in files.items():
        _check_readable(named(leaf), path)
    if "ca_file" in files:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(files["ca_file"])
        except (ssl.SSLError, ValueError):
            msg = f"{named('ca_file')}: {files['ca_file']} holds no certificate in PEM format; set it to one that does"
            raise SettingsError(msg) from None
    # gRPC takes no key with a password.
    secret = settings.key_password if isinstance(settings, KafkaSettings | RedisSettings) else None
    password = None if secret is None else secret.get_secret_value()
    if "cert_file" in files:
        _check_pair(files["cert_file"], files.get("key_file"), password, named)
    elif "key_file" in files:
        msg = f"{named('key_file')} is set without {named('cert_file')}; set both"
        raise SettingsError(msg)
    options = {leaf: str(path) for leaf, path in files.items()}
    return options if password is None or "cert_file" not in files else {**options, "key_password": password}


def _check_readable(variable: str, path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        msg = f"{variable}: {path}: {error.strerror}; set it to a PEM file that this program may read"
        raise SettingsError(msg) from error


def _check_pair(cert: Path, key: Path | None, password: str | None, named: Callable[[str], str]) -> None:
    # Without a password OpenSSL would ask for it on the terminal.
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert, key, password or "")
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "reason", None) or "not in PEM format, or a wrong password"
        msg = (
            f"{named('cert_file')}: {cert} cannot be used with the key in {key or cert} ({reason}); both must be PEM "
            f"and belong together, and {named('key_password')} must be the key's password if it has one"
        )
        raise SettingsError(msg) from None

"""How connections to the store are made."""

from contextlib import suppress
from typing import Any, NamedTuple, Self

from redis import ConnectionPool, CredentialProvider, DriverInfo
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection, parse_url
from redis.exceptions import RedisError
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from hangtag.settings import RedisSettings
from hangtag.settings.tls import tls_options
from hangtag.store.errors import StoreMismatchError, is_cut, unreadable_url, urls_of

# redis-py's names of the settings.
_TLS_OPTIONS = {
    "ca_file": "ssl_ca_certs",
    "cert_file": "ssl_certfile",
    "key_file": "ssl_keyfile",
    "key_password": "ssl_password",
}


class Node(NamedTuple):
    """A server of a cluster, or a replica."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, address: str) -> Self:
        """From `host:port`; an IPv6 address is in brackets."""
        host, _, port = address.strip().rpartition(":")
        return cls(host.strip("[]"), int(port))


class _Credentials(CredentialProvider):
    """User and password, as the settings have them when a connection opens."""

    def __init__(self, settings: RedisSettings, username: str | None, password: str | None) -> None:
        self._settings = settings
        self._of_url = username or "default", password or ""

    def get_credentials(self) -> tuple[str, str]:
        """User and password."""
        with suppress(ValueError):  # the file is being written
            parts = parse_url(urls_of(self._settings.url.get_secret_value())[0])  # type: ignore[no-untyped-call]
            self._of_url = parts.get("username") or "default", parts.get("password") or ""
        username, of_url = self._of_url
        password = self._settings.password
        return username, of_url if password is None else password.get_secret_value()


class Connector:
    """Makes redis-py's connections, which open with their first use. Any thread may call.

    `nodes` are those that the URL lists, if it lists several: it then is that of a cluster.

    Raises:
        StoreMismatchError: the URL in the settings cannot be read, or has an option that does not exist.
        SettingsError: the settings for TLS cannot be used.
    """

    def __init__(self, settings: RedisSettings) -> None:
        url = settings.url.get_secret_value()
        if is_cut(url):
            raise unreadable_url()
        tls = _tls_options(settings)
        options = {**_connection_options(settings), **tls}
        try:
            pools = [ConnectionPool.from_url(each, **options) for each in urls_of(url)]
        except (ValueError, TypeError):
            raise unreadable_url() from None
        self.timeout_s = settings.timeout_ms / 1000
        self._class, self.options = pools[0].connection_class, _with_credentials(pools[0].connection_kwargs, settings)
        self.nodes = [_node_of(pool.connection_kwargs) for pool in pools] if len(pools) > 1 else []
        if self.nodes and self.options.get("db"):
            msg = "a cluster has no other database than 0: end HANGTAG_REDIS__URL with /0"
            raise StoreMismatchError(msg)
        try:
            # Parsing the URL does not check its options; making a connection, which opens nothing yet, does.
            self.connection(None)
        except (ValueError, TypeError, AttributeError, RedisError):
            msg = "HANGTAG_REDIS__URL has an option after `?` that does not exist or has a wrong value; leave it out"
            raise StoreMismatchError(msg) from None

    def connection(self, node: Node | None) -> AbstractConnection:
        """A new connection, not open yet, to a node or else to the server of the URL."""
        place = {} if node is None else node._asdict()
        made: AbstractConnection = self._class(**{**self.options, **place})
        return made


def _with_credentials(options: dict[str, Any], settings: RedisSettings) -> dict[str, Any]:
    """The options with user and password that are read anew for every connection, if there are any."""
    username, password = options.get("username"), options.get("password")
    if not (username or password or settings.password):
        return options
    others = {name: value for name, value in options.items() if name not in {"username", "password"}}
    return {**others, "credential_provider": _Credentials(settings, username, password)}


def _node_of(options: dict[str, Any]) -> Node:
    return Node(options.get("host", "localhost"), options.get("port", 6379))


def _connection_options(settings: RedisSettings) -> dict[str, Any]:
    """Options of a connection; the library's defaults wait too long for a look-up."""
    timeout_s = settings.timeout_ms / 1000
    return {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "retry": Retry(NoBackoff(), 0),  # the callers try again
        "protocol": 3,
        "legacy_responses": False,
        "decode_responses": False,
        # `CLIENT LIST` shows it. Unlike `client_name`, it is left out where the user may not set it.
        "driver_info": DriverInfo(name="hangtag", lib_version=None),
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }


def _tls_options(settings: RedisSettings) -> dict[str, str]:
    is_encrypted = settings.url.get_secret_value().startswith("rediss://")
    found = tls_options(settings, is_encrypted=is_encrypted, switch="begin HANGTAG_REDIS__URL with rediss://")
    return {_TLS_OPTIONS[name]: value for name, value in found.items()}

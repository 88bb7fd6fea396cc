"""How the blocking and the asyncio client connect."""

from typing import Any, TypeVar

from redis import BlockingConnectionPool, DriverInfo
from redis.asyncio import BlockingConnectionPool as AsyncBlockingConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.maint_notifications import MaintNotificationsConfig

from hangtag.settings import RedisSettings
from hangtag.settings.tls import tls_options
from hangtag.store.errors import StoreMismatchError, is_cut, unreadable_url

# One more try at once, since a connection of the pool may have died with a restarted server. Callers do the rest.
_RETRIES = 1
# redis-py's names of the settings.
_TLS_OPTIONS = {
    "ca_file": "ssl_ca_certs",
    "cert_file": "ssl_certfile",
    "key_file": "ssl_keyfile",
    "key_password": "ssl_password",
}

Pool = TypeVar("Pool", BlockingConnectionPool, AsyncBlockingConnectionPool)


def open_pool(pool: type[Pool], retry: type[Any], settings: RedisSettings, connections: int) -> Pool:
    """A pool of one of redis-py's two kinds, with its kind of retry; callers wait for a free connection.

    Raises:
        StoreMismatchError: the URL in the settings cannot be read, or has an option that does not exist.
        SettingsError: the settings for TLS cannot be used.
    """
    url = settings.url.get_secret_value()
    if is_cut(url):
        raise unreadable_url()
    tls = _tls_options(settings)
    try:
        opened = pool.from_url(
            url,
            max_connections=connections,
            timeout=settings.timeout_ms / 1000,
            retry=retry(NoBackoff(), _RETRIES, (RedisConnectionError,)),
            **_connection_options(settings),
            **tls,
        )
    except (ValueError, TypeError):
        raise unreadable_url() from None
    try:
        # The pool does not check the options in the URL; making a connection, which opens nothing yet, does.
        opened.connection_class(**opened.connection_kwargs)
    except (ValueError, TypeError, AttributeError, RedisError):
        msg = "HANGTAG_REDIS__URL has an option after `?` that does not exist or has a wrong value; leave it out"
        raise StoreMismatchError(msg) from None
    return opened


def _connection_options(settings: RedisSettings) -> dict[str, Any]:
    """Options of a connection; the library's defaults wait too long for a look-up."""
    timeout_s = settings.timeout_ms / 1000
    return {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
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

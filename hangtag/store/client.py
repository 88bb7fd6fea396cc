"""How both clients connect."""

from typing import Any

from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig

from hangtag.settings import RedisSettings

# One more try, at once: a connection of the pool may have died with a restarted server. Real patience is the caller's.
RETRIES = 1


def connection_options(settings: RedisSettings) -> dict[str, Any]:
    """Options of a connection; the library's own defaults wait far too long for a look-up."""
    timeout_s = settings.timeout_ms / 1000
    return {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "protocol": 3,
        "legacy_responses": False,
        "decode_responses": False,
        "client_name": "hangtag",
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }


def no_backoff() -> NoBackoff:
    """Retries follow at once."""
    return NoBackoff()

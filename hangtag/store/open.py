"""Opens round trips with the store that the settings name."""

from hangtag.settings import RedisSettings
from hangtag.store.client import Connector
from hangtag.store.cluster import ClusterExchange
from hangtag.store.errors import address_of
from hangtag.store.exchange import Exchange, SingleExchange
from hangtag.store.links import Links


def open_exchange(settings: RedisSettings, connections: int, limit_s: float | None = None) -> Exchange:
    """An exchange with at most `connections` connections to each server. It connects with the first call.

    With `limit_s`, no call takes longer, but for the wait for a free connection.

    Raises:
        StoreMismatchError: the URL in the settings cannot be read, or has an option that does not exist.
        SettingsError: the settings for TLS cannot be used.
    """
    connector, address = Connector(settings), address_of(settings.url.get_secret_value())
    if connector.nodes:
        return ClusterExchange(connector, address, connections, limit_s)
    return SingleExchange(Links(connector, None, connections), address, limit_s)

"""Opens round trips with the store that the settings name."""

from hangtag.settings import RedisSettings
from hangtag.store.client import Connector, Node
from hangtag.store.cluster import ClusterExchange
from hangtag.store.errors import StoreMismatchError, address_of
from hangtag.store.exchange import Exchange, SingleExchange
from hangtag.store.links import Links
from hangtag.store.replica_reads import ReplicaReads
from hangtag.store.shares import ClusterShares, Shares, SingleShares
from hangtag.telemetry.clock import Clock

# How often replicas are told apart by how far they are: `as_of` is this long ago, and the time that it takes.
_REFRESH_S = 0.5


def open_replica_reads(exchange: Exchange, settings: RedisSettings, connections: int, clock: Clock) -> ReplicaReads:
    """Reads from the replicas of the cluster, or from those that the settings name.

    Raises:
        StoreMismatchError: the settings name no replicas, or some where they cannot be used.
    """
    lag_ms = settings.replica_lag_ms
    shares: Shares
    if isinstance(exchange, ClusterExchange):
        if settings.replicas:
            msg = "HANGTAG_REDIS__REPLICAS is set, but a cluster names its replicas itself; remove the setting"
            raise StoreMismatchError(msg)
        shares = ClusterShares(exchange, clock, lag_ms)
    else:
        if not settings.replicas:
            msg = (
                "HANGTAG_REDIS__READ_FROM is replica, but there are none; list them in HANGTAG_REDIS__REPLICAS, as "
                "host:port, comma-separated"
            )
            raise StoreMismatchError(msg)
        if settings.url.get_secret_value().startswith("unix:"):
            msg = "HANGTAG_REDIS__REPLICAS needs HANGTAG_REDIS__URL with host and port, redis:// or rediss://"
            raise StoreMismatchError(msg)
        connector = Connector(settings)
        nodes = [Node.parse(address) for address in settings.replicas.split(",")]
        shares = SingleShares(exchange, [Links(connector, node, connections) for node in nodes], clock, lag_ms)
    return ReplicaReads(exchange, shares, clock, settings.timeout_ms / 1000, min(_REFRESH_S, lag_ms / 4_000))


def open_exchange(settings: RedisSettings, connections: int, limit_s: float | None = None) -> Exchange:
    """An exchange with at most `connections` connections to each server. It connects with the first call.

    With `limit_s`, no call takes longer.

    Raises:
        StoreMismatchError: the URL in the settings cannot be read, or has an option that does not exist.
        SettingsError: the settings for TLS cannot be used.
    """
    connector, address = Connector(settings), address_of(settings.url.get_secret_value())
    if connector.nodes:
        return ClusterExchange(connector, address, connections, limit_s)
    return SingleExchange(Links(connector, None, connections), address, limit_s)

"""The store as look-ups read it, and what keeps this process up to date about it."""

from collections.abc import Callable

from hangtag.server.cache import Cache
from hangtag.server.cached_reader import CachedReader
from hangtag.server.change import ChangeListener
from hangtag.server.eta import Eta
from hangtag.server.follower import FOLLOWER_BEAT, Follower
from hangtag.server.store_gate import StoreGate
from hangtag.server.store_watch import StoreWatch
from hangtag.settings import Settings
from hangtag.store import ProgressReader, RedisTagReader
from hangtag.telemetry import Heartbeats, metrics
from hangtag.telemetry.clock import Clock


class Reading:
    """Store, cache, estimates, watch and follower of one process.

    `report` and `on_failure` are called from their threads: see `StoreWatch` and `Follower`.

    Raises:
        StoreMismatchError: the URL in the settings cannot be read.
        SettingsError: the settings for TLS cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        beats: Heartbeats,
        report: Callable[[bool], None],
        on_failure: Callable[[Exception], None],
    ) -> None:
        self._settings = settings
        self._beats = beats
        self._on_failure = on_failure
        self._store = RedisTagReader(settings.redis, clock)
        gate = StoreGate(self._store)
        self._cache = Cache(settings.server.cache_entries, clock)
        self._follower: Follower | None = None
        self._progress = ProgressReader(settings.redis)
        self.eta = Eta(self._progress, clock)
        self.reader = CachedReader(gate, self._cache, settings.server, clock)
        self.watch = StoreWatch(gate, report, beats, on_failure, also=[self.eta.refresh])
        gate.on_close = self.watch.look_now

    def start(self) -> None:
        """Check the store, and watch it from now on.

        Raises:
            StoreMismatchError: the store does not match the settings.
        """
        metrics.CACHED_PRODUCTS.set_function(self._cache.__len__)
        self.watch.start()

    def follow(self, listener: ChangeListener) -> None:
        """Tell the cache and the listener of changes, unless the settings say that nothing is followed."""
        if self._settings.server.follow:
            self._follower = Follower(self._settings, (self._cache, listener), self._beats, self._on_failure)
            self._follower.start()
        else:
            self._beats.idle(FOLLOWER_BEAT)

    def stop_following(self) -> None:
        """The server stops; returns at once."""
        if self._follower is not None:
            self._follower.stop()

    def close(self) -> None:
        """End the threads and close the connections."""
        if self._follower is not None:
            self._follower.close()
        self.watch.close()
        self._progress.close()
        self._store.close()

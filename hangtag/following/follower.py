"""Makes a process use the bundle that the pointer names, without a restart."""

import threading
from collections.abc import Callable, Collection
from typing import NamedTuple, Protocol

from hangtag.following.errors import RefusedError
from hangtag.following.loaded import Loaded
from hangtag.models import LocalModels, LocalModelsError, Pointer
from hangtag.tagger.in_use import TaggerInUse
from hangtag.tagger.tagger import Tagger, show_bundle
from hangtag.telemetry import get_log, metrics
from hangtag.telemetry.clock import Clock

# A bundle that is refused is tried again: after the first time, and at most.
_AGAIN_S, _MOST_AGAIN_S = 5.0, 300.0
_LOOK_EVERY_S = 0.2
_JOIN_S = 5.0

_log = get_log(__name__)


class Refusal(NamedTuple):
    """Why the bundle of the pointer is not used. It is not the error itself, whose frames may hold a bundle."""

    reason: str
    message: str


class Loads(Protocol):
    """What a follower needs of `Loader`."""

    def load(self, pointer: Pointer) -> Tagger:
        """See `Loader.load`."""
        ...


class BundleFollower:
    """Replaces the release in `in_use` as pointers come.

    It does so at once if only blocked tags or the sequence change, else when the bundle is loaded.

    Any thread may call `take`, which never waits. A thread of its own loads. A bundle that is refused is tried again
    from time to time, and the one in use stays meanwhile. Without `loads` no other bundle is ever loaded: only blocked
    tags are followed.
    """

    def __init__(
        self,
        in_use: TaggerInUse,
        loaded: Loaded,
        loads: Loads | None,
        local: LocalModels | None,
        clock: Clock,
    ) -> None:
        self._in_use, self._loaded, self._loads, self._local = in_use, loaded, loads, local
        self._clock = clock
        self._on_failure: Callable[[Exception], None] = _nothing
        self._pointer: Pointer | None = None
        self._retired: list[Loaded] = []
        self._refused: Refusal | None = None
        self._again_s, self._try_at = _AGAIN_S, 0.0
        self._is_closed = False
        self._has_news = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="bundle-follower", daemon=True)

    def start(self, on_failure: Callable[[Exception], None]) -> None:
        """Start the thread. `on_failure` is called, from it, with an error that ended it."""
        self._on_failure = on_failure
        self._thread.start()

    def close(self) -> None:
        """End the thread. A bundle that is being loaded is not waited for."""
        with self._has_news:
            self._is_closed = True
            self._has_news.notify_all()
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)

    def take(self, pointer: Pointer) -> None:
        """Follow this pointer from now on. Blocked tags are obeyed when it returns."""
        with self._has_news:
            if self._pointer is not None and pointer.sequence <= self._pointer.sequence:
                return
            self._pointer = pointer
            metrics.SEQUENCE.labels("pointer").set(pointer.sequence)
            self._again_s, self._try_at = _AGAIN_S, 0.0
            self._put(pointer)
            if self._is_used(pointer):
                self._accepted()
            self._has_news.notify_all()

    def refused(self, error: RefusedError) -> None:
        """The bundle of the pointer could not be loaded when the program started."""
        with self._has_news:
            self._refuse(Refusal(error.why, str(error)))

    @property
    def is_behind(self) -> bool:
        """True while the bundle of the pointer is not in use; any thread may ask."""
        with self._has_news:
            return self._is_wanting(self._pointer)

    @property
    def details(self) -> dict[str, object]:
        """For /healthz; any thread may ask."""
        with self._has_news:
            release, pointer, refused = self._in_use.current, self._pointer, self._refused
        found: dict[str, object] = {"bundle": release.bundle_version[:12], "sequence": release.sequence}
        if pointer is not None and self._loads is not None:
            found |= {"pointer_bundle": pointer.bundle_version[:12], "pointer_sequence": pointer.sequence}
        if refused is not None:
            found |= {"refused": refused.reason, "problem": refused.message}
        return found

    def turn(self) -> None:
        """Load the bundle of the pointer, if that is due, and free what nobody uses."""
        with self._has_news:
            pointer = self._pointer
            is_due = self._is_wanting(pointer) and self._clock.monotonic() >= self._try_at
        if is_due and pointer is not None:
            self._load(pointer)
        with self._has_news:
            retired = list(self._retired)
        for each in retired:
            if each.free_if_unused():
                self._retired.remove(each)
                _log.info("bundle_freed", version=each.version[:12])

    def _load(self, pointer: Pointer) -> None:
        assert self._loads is not None
        began = self._clock.monotonic()
        try:
            tagger = self._loads.load(pointer)
        except RefusedError as error:
            with self._has_news:
                if self._pointer is pointer:
                    self._refuse(Refusal(error.why, str(error)))
            return
        loaded = Loaded(tagger)
        del tagger
        with self._has_news:
            newest = self._pointer
            assert newest is not None
            if not _is_same(loaded, newest):
                loaded.retire()  # another bundle was promoted meanwhile
                self._retired.append(loaded)
                return
            before, self._loaded = self._loaded, loaded
            self._put(newest)
            before.retire()
            self._retired.append(before)
            self._accepted()
            in_use = [each.version for each in (before, loaded)]
        metrics.MODEL_SWAPS.inc()
        metrics.MODEL_LOAD_SECONDS.set(self._clock.monotonic() - began)
        show_bundle(self._in_use.current.tagger)
        self._keep(newest, in_use)

    def _put(self, pointer: Pointer) -> None:
        """Put a release of the loaded bundle into use: that of the pointer, or with its blocked tags alone."""
        sequence = pointer.sequence if self._is_used(pointer) else self._in_use.current.sequence
        release = self._loaded.release(sequence, pointer.blocked, pointer.blocked_sequence)
        metrics.SEQUENCE.labels("in_use").set(sequence)
        self._in_use.current = release

    def _is_used(self, pointer: Pointer) -> bool:
        return self._loads is not None and _is_same(self._loaded, pointer)

    def _is_wanting(self, pointer: Pointer | None) -> bool:
        return pointer is not None and self._loads is not None and not _is_same(self._loaded, pointer)

    def _accepted(self) -> None:
        if self._refused is not None:
            metrics.MODEL_REFUSED.labels(self._refused.reason).set(0)
        self._refused = None
        release = self._in_use.current
        _log.info("bundle_in_use", version=release.bundle_version[:12], sequence=release.sequence)

    def _refuse(self, refusal: Refusal) -> None:
        if self._refused != refusal:
            pointer = self._pointer
            _log.error(
                "bundle_refused",
                reason=refusal.reason,
                message=refusal.message,
                version=None if pointer is None else pointer.bundle_version[:12],
                next=f"bundle {self._loaded.version[:12]} stays in use; the other one is tried again",
            )
        for reason in metrics.REFUSALS:
            metrics.MODEL_REFUSED.labels(reason).set(reason == refusal.reason)
        self._refused = refusal
        self._try_at = self._clock.monotonic() + self._again_s
        self._again_s = min(_MOST_AGAIN_S, 2 * self._again_s)

    def _keep(self, pointer: Pointer, in_use: Collection[str]) -> None:
        if self._local is None:
            return
        try:
            self._local.keep(pointer)
            self._local.prune(in_use)
        except (LocalModelsError, OSError) as error:
            _log.warning("bundle_not_kept", message=str(error), next="a restart while models.store is away would fail")

    def _run(self) -> None:
        try:
            while True:
                with self._has_news:
                    if self._is_closed:
                        return
                    self._has_news.wait(_LOOK_EVERY_S)
                self.turn()
        except Exception as error:  # noqa: BLE001 (whatever it is, the process has to end)
            if not self._is_closed:
                self._on_failure(error)


def _nothing(_: Exception) -> None:
    pass


def _is_same(loaded: Loaded, pointer: Pointer) -> bool:
    return loaded.version == pointer.bundle_version

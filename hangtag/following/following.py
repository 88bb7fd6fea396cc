"""The release that a program uses, and what keeps it up to date."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, Self

from hangtag.tagger.in_use import TaggerInUse
from hangtag.telemetry import Part

if TYPE_CHECKING:
    # Importing them loads the engine's runtime; callers have a tagger already.
    from hangtag.following.follower import BundleFollower
    from hangtag.models.pointer import Pointer
    from hangtag.tagger.tagger import Tagger


class Watch(Protocol):
    """What is needed of `PointerWatch`."""

    def start(self) -> None:
        """Begin to watch."""
        ...

    def stop(self) -> None:
        """End."""
        ...


class Following:
    """`in_use` is what the program tags with; it changes as the pointer does.

    The watch calls `on_pointer`, from its thread, and so the listeners are called. Programs call `start` once they are
    ready, and `close` at the end.
    """

    def __init__(self, in_use: TaggerInUse, follower: BundleFollower | None = None) -> None:
        self.in_use = in_use
        self._follower = follower
        self._watch: Watch | None = None
        self._closing: list[Callable[[], None]] = []
        self._listeners: list[Callable[[Pointer], None]] = []
        self._pointer: Pointer | None = None

    @classmethod
    def of(cls, tagger: Tagger | Following) -> Following:
        """One that never changes, of a tagger that its caller closes; or what is one already."""
        return tagger if isinstance(tagger, Following) else cls(TaggerInUse(tagger))

    def watched_by(self, watch: Watch, *closing: Callable[[], None]) -> Self:
        """Let the watch tell of pointers; `closing` is called at the end."""
        self._watch = watch
        self._closing += closing
        return self

    def listen(self, listener: Callable[[Pointer], None]) -> None:
        """Call this with each pointer, and at once with the last one; before it is known whether its bundle works."""
        self._listeners.append(listener)
        if self._pointer is not None:
            listener(self._pointer)

    def on_pointer(self, pointer: Pointer) -> None:
        """There is another pointer."""
        self._pointer = pointer
        for listener in self._listeners:
            listener(pointer)
        if self._follower is not None:
            self._follower.take(pointer)

    def start(self, on_failure: Callable[[Exception], None]) -> None:
        """Follow from now on. `on_failure` is called, from a thread, with an error that ended it."""
        if self._follower is not None:
            self._follower.start(on_failure)
        if self._watch is not None:
            self._watch.start()

    def close(self) -> None:
        """End the threads, and the processes that tokenise for the release in use."""
        if self._watch is not None:
            self._watch.stop()
        if self._follower is not None:
            self._follower.close()
        for close in self._closing:
            close()
        if self._watch is not None:
            self.in_use.current.tagger.close()

    def names(self) -> Mapping[str, Any]:
        """What is in use, for a line of the log."""
        release = self.in_use.current
        tagger = release.tagger
        names = {
            "bundle": tagger.bundle.manifest.name,
            "version": release.bundle_version[:12],
            "engine": tagger.engine.name,
        }
        return names | ({"sequence": release.sequence} if release.sequence else {})

    def details(self) -> Mapping[str, Any]:
        """For /healthz; any thread may ask. Empty if nothing is followed."""
        return {} if self._follower is None else {"model": self._follower.details}

    def part(self) -> Part:
        """For /readyz: a program has one only once its model has tagged a probe."""
        release = self.in_use.current
        place = f", sequence {release.sequence}" if release.sequence else ""
        return Part("model", True, f"bundle {release.bundle_version[:12]}{place} has tagged a probe")

"""Which bundle is in use in a simulation, and how processes hear of it: the shipped follower with a slow loader."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from hangtag.following.errors import RefusedError, Why
from hangtag.following.follower import BundleFollower
from hangtag.following.loaded import Loaded
from hangtag.models import Pointer
from hangtag.tagger.in_use import TaggerInUse
from hangtag.tagger.tagger import Tagger
from tests.simulation.model import bundles, open_tagger

if TYPE_CHECKING:
    from tests.simulation.process import Process

# What is blocked beside what bundles block: nothing; an attribute; a segment with all below it; what a rule adds.
BLOCKED: Sequence[tuple[str, ...]] = ((), ("color:red",), ("segment:clothing",), ("color:blue", "genre:action"))
_REFUSED = 0.2
_AGAIN_S = 5.1
# Decisions about other routes are records of the same topic.
_GAPS = (1, 1, 2, 5)


class Releases:
    """The history of the pointer, oldest first."""

    def __init__(self) -> None:
        self.all: list[Pointer] = []

    @property
    def current(self) -> Pointer | None:
        """What is in use; None: nothing was promoted."""
        return self.all[-1] if self.all else None

    def promote(self, bundle: int, blocked: int, gap: int) -> Pointer:
        """Put one of the two bundles into use, with one of the sets of blocked tags."""
        before, tags = self.current, BLOCKED[blocked % len(BLOCKED)]
        sequence = (0 if before is None else before.sequence) + _GAPS[gap % len(_GAPS)]
        blocked_before = () if before is None else before.blocked
        since = sequence if tags != blocked_before else 0 if before is None else before.blocked_sequence
        version = bundles()[bundle].version
        self.all.append(
            Pointer("default", sequence, version, bundles()[bundle].manifest.integrity, tags, since, sequence)
        )
        return self.all[-1]

    def blocked_since(self, sequence: int) -> set[tuple[str, ...]]:
        """The sets of blocked tags that were in force at this place of the order, or are since."""
        found = {pointer.blocked for pointer in self.all if pointer.sequence >= sequence}
        return found if any(pointer.sequence == sequence for pointer in self.all) else {(), *found}

    def bundle_of(self, sequence: int) -> str:
        """The version of the bundle at a place of the order; empty: there is none."""
        return next((pointer.bundle_version for pointer in self.all if pointer.sequence == sequence), "")


class _Loader:
    """Loads in simulated time, and now and then cannot."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def load(self, pointer: Pointer) -> Tagger:
        hub = self._process.world.hub
        hub.pause(hub.current.dice.choice((0.01, 0.3, 1.5)))
        if hub.current.dice.random() < _REFUSED:
            raise RefusedError(Why.FETCH, "the place for bundles is away")
        bundle = next(each for each in bundles() if each.version == pointer.bundle_version)
        return open_tagger(hub, bundle, self._process.trouble)


class Start(NamedTuple):
    """What a process begins with: a bundle, the pointer that named it, and whether it follows."""

    bundle: int
    pointer: Pointer | None
    follows: bool


class Following:
    """What keeps the release of one process up to date."""

    def __init__(self, process: Process, start: Start) -> None:
        self._process = process
        loaded = Loaded(open_tagger(process.world.hub, bundles()[start.bundle], process.trouble))
        self.in_use = TaggerInUse.of(loaded.release())
        self._follower = BundleFollower(
            self.in_use, loaded, _Loader(process) if start.follows else None, None, process.clock
        )
        self._is_loading = False
        if start.pointer is not None:
            self._follower.take(start.pointer)

    def hear(self, pointer: Pointer) -> None:
        """An actor of the process hears of a pointer, and loads until the bundle in use is that of the newest."""
        self._follower.take(pointer)
        if self._is_loading:
            return
        self._is_loading = True
        while self._follower.is_behind:
            self._follower.turn()
            if self._follower.is_behind:
                self._process.world.hub.pause(_AGAIN_S)
        self._follower.turn()
        self._is_loading = False

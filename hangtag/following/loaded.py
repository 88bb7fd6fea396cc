"""A bundle in memory, and who still uses it."""

import weakref
from collections.abc import Collection

from hangtag.tagger.release import Release
from hangtag.tagger.spare_memory import give_back
from hangtag.tagger.tagger import Tagger


class Loaded:
    """A tagger with all releases that were made of it. One thread at a time calls it."""

    def __init__(self, tagger: Tagger) -> None:
        self.tagger: Tagger | None = tagger
        self.version = tagger.bundle.version
        # What has to be closed, once nobody uses a release any more.
        self._engine, self._encoders = tagger.engine, tagger.encoders
        self._uses: list[weakref.ref[Release]] = []

    def release(self, sequence: int = 0, blocked: Collection[str] = (), blocked_sequence: int = 0) -> Release:
        """The tagger at a place in the order of releases, with the tags that are blocked there."""
        assert self.tagger is not None
        made = Release(self.tagger.with_blocked(blocked), sequence, blocked_sequence)
        self._uses = [use for use in self._uses if use() is not None]
        self._uses.append(weakref.ref(made))
        return made

    def retire(self) -> None:
        """No release is made of it any more; `free_if_unused` may free it."""
        self.tagger = None

    def free_if_unused(self) -> bool:
        """Free memory and processes, if no release is in anybody's hands any more; False: some are."""
        if self.tagger is not None or any(use() is not None for use in self._uses):
            return False
        self._engine.close()
        if self._encoders is not None:
            self._encoders.close()
        del self._engine, self._encoders
        give_back()
        return True

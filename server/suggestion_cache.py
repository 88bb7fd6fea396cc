"""Suggestions of the texts that were asked for last."""

from collections import OrderedDict

from hangtag.server.suggestion import Key, Suggestion


class SuggestionCache:
    """Keeps up to `most` suggestions, of one release at a time. Not for several threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[Key, Suggestion] = OrderedDict()
        self._release = ("", 0)

    def get(self, key: Key, release: tuple[str, int]) -> Suggestion | None:
        """What is kept of this release (`Release.answers`) for the text."""
        if release != self._release:
            return None
        if (found := self._kept.get(key)) is not None:
            self._kept.move_to_end(key)
        return found

    def put(self, key: Key, suggestion: Suggestion) -> None:
        """Keep a suggestion instead of the one that was not asked for for the longest time."""
        if suggestion.release != self._release:
            self._kept.clear()
            self._release = suggestion.release
        self._kept[key] = suggestion
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

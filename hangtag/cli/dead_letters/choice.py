"""The letters that a command handles, and those that it leaves out."""

from collections import Counter
from collections.abc import Callable, Iterable

from hangtag.letters import Found, Letter, Place, Resolution, Selection

_GONE = "there is no dead letter at this place; `hangtag deadletters list --all` shows those that there are"

Refuse = Callable[[Letter, Resolution | None], str | None]


class Choice:
    """Places of the letters to handle, the newest first; how many by stage and error; and why others are left out.

    `refused` has the number of letters and the place of the newest of them, by reason. Letters that were replayed or
    dropped before are refused only if their places are named, else counted as `handled`.
    """

    def __init__(self) -> None:
        self.places: list[Place] = []
        self.counts: Counter[tuple[str, str]] = Counter()
        self.refused: dict[str, tuple[int, Place]] = {}
        self.handled = 0

    def take(self, found: Iterable[Found], selection: Selection, refuse: Refuse, limit: int | None) -> None:
        """Choose at most `limit` of the letters that fit the selection; places without a letter are refused."""
        missing = set(selection.places)
        for letter, resolution in found:
            if limit is not None and len(self.places) >= limit:
                break
            missing.discard(letter.place)
            if (reason := refuse(letter, resolution)) is None:
                self.places.append(letter.place)
                self.counts[letter.stage, letter.error] += 1
            elif resolution is not None and not selection.places:
                self.handled += 1
            else:
                self.refuse(letter.place, reason)
        else:
            for place in sorted(missing):
                self.refuse(place, _GONE)

    def refuse(self, place: Place, reason: str) -> None:
        """Leave a letter out."""
        count, newest = self.refused.get(reason, (0, place))
        self.refused[reason] = (count + 1, newest)

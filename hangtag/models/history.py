"""The history of the pointer: the records of `hangtag.models` in their order, and what each of them changed."""

from collections.abc import Iterable
from dataclasses import dataclass

from hangtag.models.decision import Decision
from hangtag.models.pointer import Pointer


@dataclass(frozen=True, slots=True)
class Entry:
    """One decision. `pointer` is what has been in use since then; None: it is void, somebody else decided first."""

    decision: Decision
    pointer: Pointer | None


class History:
    """What was decided, oldest first. Every reader of the same records has the same history.

    A decision counts only if `expects` is the route's sequence at that place; else it is void. Values that are no
    decisions are left out.
    """

    def __init__(self, records: Iterable[tuple[int, Decision | None]] = ()) -> None:
        """`records` are the offset and the decision of each record, by rising offset."""
        self.entries: list[Entry] = []
        self._current: dict[str, Pointer] = {}
        for offset, decision in records:
            if decision is not None:
                self.entries.append(Entry(decision, self._next(offset, decision)))

    @property
    def routes(self) -> list[str]:
        """The routes that have a bundle, sorted."""
        return sorted(self._current)

    def current(self, route: str = "default") -> Pointer | None:
        """What is in use; None: nothing was promoted yet."""
        return self._current.get(route)

    def at(self, at_ms: int, route: str = "default") -> Entry | None:
        """The decision that was in force at a time, in ms since 1970; None: nothing was in use yet."""
        found = [entry for entry in self.valid(route) if entry.pointer is not None and entry.pointer.at_ms <= at_ms]
        return found[-1] if found else None

    def valid(self, route: str = "default") -> list[Entry]:
        """The decisions of a route that took effect, oldest first."""
        return [entry for entry in self.entries if entry.pointer is not None and entry.pointer.route == route]

    def of(self, decision_id: str) -> Entry | None:
        """The entry of a decision; None: it is not there."""
        return next((entry for entry in self.entries if entry.decision.decision_id == decision_id), None)

    def former(self, route: str = "default") -> Pointer | None:
        """The last one in use of another bundle than now; None: there is none."""
        current = self.current(route)
        others = [
            entry.pointer
            for entry in self.valid(route)
            if current is not None
            and entry.pointer is not None
            and entry.pointer.bundle_version != current.bundle_version
        ]
        return others[-1] if others else None

    def _next(self, offset: int, decision: Decision) -> Pointer | None:
        before = self._current.get(decision.route)
        if decision.expects != (before.sequence if before else 0):
            return None
        blocked = tuple(sorted(set(decision.blocked)))
        sequence = offset + 1
        is_same = before is not None and before.blocked == blocked
        pointer = Pointer(
            decision.route,
            sequence,
            decision.bundle_version,
            decision.integrity,
            blocked,
            before.blocked_sequence if before is not None and is_same else sequence,
            # Clocks of people's machines differ; the order of the topic is the one that counts.
            max(decision.at_ms, before.at_ms if before else 0),
        )
        self._current[decision.route] = pointer
        return pointer

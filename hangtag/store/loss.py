"""Reports that the store has lost its data: in the log, as a metric and in the detail of health."""

from hangtag.store.errors import StoreError
from hangtag.store.meta import StoreState
from hangtag.telemetry import get_log, metrics

REFILL = "hangtag rebuild"

_log = get_log(__name__)


class LossReport:
    """Takes what the store records about itself, each time that a program has read it. One thread at a time calls.

    A program that knew the store before also notices a loss that no worker has recorded yet: the store has no identity
    any more, or another one.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._known = ""
        self._is_emptied = False

    @property
    def is_emptied(self) -> bool:
        """True from the loss on until a rebuild has ended."""
        return self._is_emptied

    def take(self, state: StoreState) -> None:
        """Compare with what was known, and log each change once."""
        is_complete = state.is_claimed and (
            state.rebuilt_identity == state.identity or self._known in ("", state.identity)
        )
        if is_complete:
            self._known = state.identity
        is_emptied = state.emptied_ms is not None or not (is_complete or self._known == "")
        metrics.STORE_EMPTIED.set(is_emptied)
        if is_emptied and not self._is_emptied:
            _log.error(
                "the store has lost its data: products look as if never received",
                store=self._address,
                next=f"run `{REFILL}`; docs/operations.md says how to keep the data",
            )
        elif self._is_emptied and not is_emptied:
            _log.info("the store was rebuilt", store=self._address)
        self._is_emptied = is_emptied

    def detail(self, problem: StoreError | None = None) -> dict[str, object]:
        """For /healthz, with the error of the last look, if it failed.

        Neither makes a program unhealthy: a restart of it would not repair the store.
        """
        found: dict[str, object] = {"address": self._address, "emptied": self._is_emptied}
        if problem is not None:
            found["problem"] = str(problem)
        return {**found, "next": f"run `{REFILL}`"} if self._is_emptied else found

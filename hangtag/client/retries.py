"""When a call is sent again, and after how long: never past its deadline, and not to servers that are all dead."""

import random
import threading
from dataclasses import dataclass

from hangtag.client.errors import CallError, DeadlineError, OverloadedError, SettingError, UnavailableError

# As gRPC's own throttling of retries: a failure costs one token, a success brings a tenth back.
_REGAINED = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How calls that a server did not or could not answer are sent again; look-ups and suggestions change nothing.

    Attributes:
        attempts: how often a call is sent at most; 1: no retries.
        first_s: about how long the client waits before the first retry; each further one waits twice as long.
        longest_s: how long it waits at most, unless the server asks for more.
        budget: after so many failures in a row (of all calls of the client) each call is sent only once, until calls
            succeed again: 10 successes make up for a failure.
    """

    attempts: int = 4
    first_s: float = 0.05
    longest_s: float = 1.0
    budget: int = 10

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.budget < 1 or not 0 < self.first_s <= self.longest_s:
            msg = "retries: attempts and budget must be at least 1, and first_s above 0 and at most longest_s"
            raise SettingError(msg)

    def wait_s(self, error: CallError, has_other: bool) -> float | None:
        """After how many seconds a call that failed so `may_be_repeated` is sent again; None: it was sent often enough.

        `has_other`: the next attempt goes to another server. One that cannot be reached then costs no waiting.
        """
        if error.attempts >= self.attempts:
            return None
        if has_other and is_of_server(error):
            return 0.0
        pause = min(self.longest_s, self.first_s * 2.0 ** (error.attempts - 1)) * random.uniform(0.5, 1)
        # All callers of a full server are told the same time: they must not come back at the same moment.
        return max(pause, (error.retry_after_s or 0.0) * random.uniform(1, 1.25))


def may_be_repeated(error: CallError) -> bool:
    """Whether the call may be answered later, or by another server."""
    # Without a reason it is gRPC that refuses the call, for its size, and would again.
    return isinstance(error, UnavailableError) or (isinstance(error, OverloadedError) and error.reason is not None)


def is_of_server(error: CallError) -> bool:
    """Whether it is this server alone that does not answer, so that another one may."""
    if isinstance(error, DeadlineError):
        return error.reason is None
    return isinstance(error, UnavailableError) and error.reason not in _SHARED


# What all servers need: another one has not got it either.
_SHARED = frozenset({"STORE_UNAVAILABLE", "INDEX_UNAVAILABLE"})


class Budget:
    """How many retries a client may still send, shared by all of its calls. Any thread may call."""

    def __init__(self, failures: int) -> None:
        self._most = 2.0 * failures
        self._left = self._most
        self._enough = float(failures)
        self._lock = threading.Lock()

    def succeeded(self) -> None:
        """A call was answered."""
        if self._left < self._most:
            with self._lock:
                self._left = min(self._most, self._left + _REGAINED)

    def failed(self) -> bool:
        """An attempt failed; whether it may be repeated."""
        with self._lock:
            self._left = max(0.0, self._left - 1)
            return self._left >= self._enough

    @property
    def has_any(self) -> bool:
        """Whether a call may be sent a second time at all."""
        return self._left >= self._enough

"""Faults in lanes: one after the other in a lane, side by side between lanes, all on the main thread."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from kafka.errors import KafkaError
from redis import RedisError

from tests.chaos.errors import ChaosError

# What a fault yields: seconds to wait, or a condition to wait for.
Step = float | Callable[[], bool]
Steps = Iterator[Step]


@dataclass
class Lane:
    """A sequence of steps with the time of the next one."""

    name: str
    steps: Steps
    look_every_s: float = 0.25
    limit_s: float = 180.0
    is_done: bool = field(default=False, init=False)
    _condition: Callable[[], bool] | None = field(default=None, init=False)
    _due: float = field(default=0.0, init=False)
    _give_up: float = field(default=0.0, init=False)

    def go_on(self) -> None:
        """Take the next step if its time has come.

        Raises:
            ChaosError: a condition has not come true within minutes.
        """
        now = time.monotonic()
        if self.is_done or now < self._due:
            return
        if self._condition is not None and not self._is_true(self._condition):
            if now > self._give_up:
                msg = f"lane {self.name}: {self._condition.__qualname__} is not true after {self.limit_s:.0f} s"
                raise ChaosError(msg)
            self._due = now + self.look_every_s
            return
        self._condition = None
        step = next(self.steps, None)
        now = time.monotonic()
        if step is None:
            self.is_done = True
        elif callable(step):
            self._condition, self._due, self._give_up = step, now, now + self.limit_s
        else:
            self._due = now + step

    @staticmethod
    def _is_true(condition: Callable[[], bool]) -> bool:
        try:
            return condition()
        except (KafkaError, RedisError):  # whoever is asked is away
            return False

"""Several processes that train one model together, each on its part of every batch."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, reduce
from torch import nn

Value = TypeVar("Value")
# Others wait while the first asks teachers and scores validation products; torchrun ends those whose peer has died.
_PATIENCE = timedelta(hours=12)


class Processes:
    """The processes that `torchrun` started, or this one alone.

    Every process holds the whole model and takes the same steps: gradients are added up over all parts of a batch.
    """

    def __init__(self) -> None:
        self._state = PartialState(cpu=not torch.cuda.is_available(), timeout=_PATIENCE)

    @property
    def device(self) -> torch.device:
        """Where this process trains."""
        device: torch.device = self._state.device
        return device

    @property
    def number(self) -> int:
        """This process's, from 0."""
        return int(self._state.process_index)

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self._state.num_processes)

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes and tells."""
        return self.number == 0

    def share(self, batch: Sequence[int]) -> Sequence[int]:
        """This process's part of a batch; may be empty."""
        return batch[self.number :: self.count]

    def add_up_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Every process's gradients become the sum over all of them, in one exchange."""
        if self.count == 1:
            return
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        flat = torch.cat(
            [
                (torch.zeros_like(parameter) if parameter.grad is None else parameter.grad).reshape(-1)
                for parameter in trained
            ]
        )
        parts = reduce(flat, "sum").split([parameter.numel() for parameter in trained])
        for parameter, part in zip(trained, parts, strict=True):
            parameter.grad = part.view_as(parameter)

    def sum(self, value: float) -> float:
        """The sum over all processes."""
        if self.count == 1:
            return value
        return float(reduce(torch.tensor(value, dtype=torch.float64, device=self.device), "sum"))

    def from_first(self, value: Value) -> Value:
        """What the first process has, in all of them."""
        (shared,) = broadcast_object_list([value])
        result: Value = shared
        return result

    def wait(self) -> None:
        """Until all processes are here."""
        self._state.wait_for_everyone()

    def leave(self) -> None:
        """No more exchange: the first process goes on alone."""
        self._state.destroy_process_group()

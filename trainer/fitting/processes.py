"""Data-parallel training: several processes train one model, each on its part of every batch."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, reduce
from torch import nn

Value = TypeVar("Value")
# The others wait while the first process runs teachers and validation; torchrun ends them if a process dies.
_TIMEOUT = timedelta(hours=12)


class Processes:
    """The processes started by `torchrun`, or this process alone.

    Every process has the complete model and takes the same steps; gradients are summed over all parts of a batch.
    """

    def __init__(self) -> None:
        self._state = PartialState(cpu=not torch.cuda.is_available(), timeout=_TIMEOUT)

    @property
    def device(self) -> torch.device:
        """The device that this process trains on."""
        device: torch.device = self._state.device
        return device

    @property
    def number(self) -> int:
        """This process's number, from 0."""
        return int(self._state.process_index)

    @property
    def count(self) -> int:
        """The number of processes."""
        return int(self._state.num_processes)

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files and reports progress."""
        return self.number == 0

    def share(self, batch: Sequence[int]) -> Sequence[int]:
        """This process's part of a batch; may be empty."""
        return batch[self.number :: self.count]

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every process's gradients by the sum over all processes, in one exchange."""
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
        """The first process's value, in all processes."""
        (shared,) = broadcast_object_list([value])
        result: Value = shared
        return result

    def wait(self) -> None:
        """Wait until all processes have called this."""
        self._state.wait_for_everyone()

    def leave(self) -> None:
        """End the process group; no exchange is possible afterwards."""
        self._state.destroy_process_group()

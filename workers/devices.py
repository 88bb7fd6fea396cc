"""The devices that a worker's processes run on."""

import importlib
import importlib.util
import os
from typing import Any

CPU = "cpu"


class DevicesError(RuntimeError):
    """A device that is asked for is not there; the message says what to change."""


def devices_of(setting: str) -> list[str]:
    """The numbers of GPUs, or `cpu`, as in the setting `worker.devices`: one for each process.

    Raises:
        DevicesError: it cannot be read, or there is no GPU of that number, or none at all.
    """
    named = setting.split(",")
    if setting != "all" and not all(each == CPU or each.isdecimal() for each in named):
        msg = f"worker.devices is {setting!r}: write all, or numbers of GPUs such as 0,1"
        raise DevicesError(msg)
    if set(named) == {CPU}:
        return named
    count = _gpus()
    if not count:
        msg = f"worker.devices is {setting}, and torch finds no GPU here (extra gpu): choose cpu, or leave it out"
        raise DevicesError(msg)
    found = list(map(str, range(count))) if setting == "all" else named
    for device in found:
        if device != CPU and int(device) >= count:
            msg = f"worker.devices names GPU {device}, and there are {count}, from 0 to {count - 1}"
            raise DevicesError(msg)
    return found


def use_device(device: str) -> str:
    """Let this process see this one GPU; call it before torch is imported. Returns the engine to open: cpu or torch."""
    if device == CPU:
        return "cpu"
    # The numbers are those of the GPUs that the process which started this one could see.
    visible = [each for each in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if each]
    os.environ["CUDA_VISIBLE_DEVICES"] = visible[int(device)] if visible else device
    return "torch"


def _gpus() -> int:
    if importlib.util.find_spec("torch") is None:
        return 0
    torch: Any = importlib.import_module("torch")
    return int(torch.cuda.device_count())

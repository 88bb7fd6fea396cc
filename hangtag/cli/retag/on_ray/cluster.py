"""The Ray cluster that a re-tag runs on: the one that `RAY_ADDRESS` names, or one of this machine alone."""

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from hangtag.cli.errors import CommandError
from hangtag.cli.stopping import stopping

_ADDRESS = "RAY_ADDRESS"
# Only names of pieces and counts go through it. Ray's least.
_OBJECT_STORE_BYTES = 80 << 20
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal", "RAY_DATA_LOG_LEVEL": "ERROR"}


class Devices(NamedTuple):
    """What the actors run on: so many at a time, each with so many cores and GPUs."""

    actors: int
    cores: int
    gpus: int


@contextmanager
def cluster() -> Iterator[Any]:
    """The module `ray`, connected to a cluster until the block ends; a cluster of this machine ends with it.

    Raises:
        CommandError: Ray is not installed, or the cluster does not answer.
    """
    # It would tell its makers that it is used, and print what is of use to them.
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import pyarrow.parquet  # noqa: F401, PLC0415
        import ray  # noqa: PLC0415
    except ImportError as error:
        msg = f"--on ray needs packages that are not installed ({error})"
        raise CommandError(msg, missing_extra="ray") from error
    logging.getLogger("ray").setLevel(logging.ERROR)
    address = os.environ.get(_ADDRESS)
    own: dict[str, Any] = {"include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES}
    try:
        # `local`: without it Ray would join a cluster that somebody else has started on this machine.
        ray.init(
            address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **({} if address else own)
        )
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        where = f"the Ray cluster at {_ADDRESS}={address} cannot be used" if address else "Ray does not start"
        msg = f"{where}: {type(error).__name__}: {error}"
        raise CommandError(msg) from error
    try:
        # Again: Ray has put handlers of its own in their place, with which a process aborts.
        with stopping():
            yield ray
    finally:
        ray.shutdown()


def devices(nodes: Sequence[Mapping[str, Any]], engine: str) -> Devices:
    """One actor for each GPU; without GPUs, or with the engine `cpu`, one for each machine, with its cores.

    `nodes` is what `ray.nodes()` returns. Of machines with different numbers of cores the smallest sets the size of an
    actor, and larger ones have several.

    Raises:
        CommandError: no machine has a core.
    """
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    gpus = sum(int(each.get("GPU", 0)) for each in alive)
    if gpus and engine != "cpu":
        return Devices(gpus, 1, 1)
    cores = [count for each in alive if (count := int(each.get("CPU", 0)))]
    if not cores:
        msg = "no machine of the Ray cluster has a core for it: start one with `ray start --num-cpus N`"
        raise CommandError(msg)
    least = min(cores)
    return Devices(sum(count // least for count in cores), least, 0)

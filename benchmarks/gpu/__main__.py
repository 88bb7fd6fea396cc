"""How fast and how exact the engine is on a GPU, and how much of that a worker reaches.

    make bench-gpu DATA=products.jsonl.gz      # or: python -m benchmarks.gpu --data FILE [--steps device flow kafka]

Models: the starter (MiniLM) and one of the size of BERT-base with random weights, which is as fast as a trained one.
Texts are tokenised once for `device`; `flow` is everything from text to tags with the batches of the worker; `kafka` is
a worker on a local broker and cache, `shared` several on one GPU (`hangtag work --devices 0,0,0`). Writes
benchmarks/results/gpu.json after each step.
"""

import argparse
import os
import platform
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from benchmarks.gpu.models import open_model
from hangtag.bundle import load_bundle

STEPS = ("device", "flow", "kafka", "shared")
ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="JSONL of products, also as .gz")
    parser.add_argument(
        "--steps", nargs="+", choices=("device", "flow", "kafka", "shared"), default=["device", "flow", "kafka"]
    )
    parser.add_argument("--models", nargs="+", choices=("minilm", "base"), default=["minilm", "base"])
    parser.add_argument("--models-folder", type=Path, help="keeps the random model for the next run")
    parser.add_argument("--seconds", type=float, default=1.5, help="of each rate of the engine")
    parser.add_argument("--texts", type=int, default=30_000, help="of `flow` and `kafka`")
    parser.add_argument("--encoders", type=int, nargs="+", default=[0, 6, 12])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--devices", default="0,0,0", help="of `shared`")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks/results/gpu.json")
    options = parser.parse_args()
    result: dict[str, Any] = {"machine": machine(options.device), "bundle": load_bundle("starter").version[:12]}
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.models_folder or Path(scratch)
        for step in options.steps:
            for name in options.models:
                found = attempt(lambda step=step, name=name: run(step, name, options, folder))
                profile = found.pop("profile", None)
                result.setdefault(step, {})[name] = found
                options.results.parent.mkdir(parents=True, exist_ok=True)
                options.results.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n")
                if profile:
                    options.results.with_name(f"profile-{name}.txt").write_text(profile, encoding="utf-8")
                print(step, name, orjson.dumps(found, option=orjson.OPT_INDENT_2).decode(), flush=True)


def run(step: str, name: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    # Imported only here: the processes that tokenise import this file, and need no torch.
    if step == "device":
        from benchmarks.gpu import device  # noqa: PLC0415

        return device.measure(name, options.data, folder, options.seconds, options.device)
    if step == "flow":
        from benchmarks.gpu import flow  # noqa: PLC0415

        return flow.measure(name, options.data, folder, options.texts, options.device, options.encoders)
    from benchmarks.gpu import kafka  # noqa: PLC0415

    if step == "shared":
        open_model(name, folder)
        where = folder / "base" if name == "base" else Path("starter")
        return kafka.measure_shared(where, options.data, options.texts, options.devices)

    return kafka.measure(name, options.data, folder, options.texts, options.device, max(options.encoders) or 1)


def attempt(call: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The figures, or why there are none: the other steps run all the same."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001
        traceback.print_exc()
        return {"failed": f"{type(error).__name__}: {str(error)[:500]}"}


def machine(name: str) -> dict[str, Any]:
    import torch  # noqa: PLC0415

    cuda = name.startswith("cuda")
    return {
        "gpu": torch.cuda.get_device_name(name) if cuda else None,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }


if __name__ == "__main__":
    main()

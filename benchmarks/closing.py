"""How a benchmark ends: stopped, with an error, or with figures that are written to benchmarks/results."""

import sys
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson

from hangtag.cli.errors import CommandError
from hangtag.cli.stopping import Stopped, stopping

ROOT = Path(__file__).resolve().parent.parent


def add_results(parser: ArgumentParser, name: str) -> None:
    """Add the option that says where the figures of the benchmark `name` go."""
    parser.add_argument("--results", type=Path, default=ROOT / f"benchmarks/results/{name}.json")


def measured_or_exit(measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The figures. A stop ends the program with 130, and a program that failed or took too long with its message."""
    try:
        with stopping():
            return measure()
    except Stopped:
        sys.exit(130)
    except CommandError as error:
        sys.exit(str(error))


def write_results(result: Mapping[str, Any], path: Path) -> None:
    """Write the figures as JSON; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(result, option=orjson.OPT_INDENT_2) + b"\n")

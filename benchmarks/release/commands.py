"""Commands of `hangtag`, as people run them, and what they cost."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from hangtag.cli.errors import CommandError


class Ran(NamedTuple):
    """What a command printed as JSON, and its CPU seconds."""

    printed: Any
    cpu_s: float


def run(environment: Mapping[str, str], *arguments: str, may_fail: bool = False) -> Ran:
    """Run a command that prints JSON.

    Raises:
        CommandError: it failed.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        command = [sys.executable, "-P", "-m", "hangtag.cli", *arguments]
        process = subprocess.Popen(command, stdout=output, stderr=errors, env={**os.environ, **environment})
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        printed = output.read()
        if process.returncode and not may_fail:
            msg = f"hangtag {' '.join(arguments)}: exit code {process.returncode}: {errors.read().decode()[-2_000:]}"
            raise CommandError(msg)
        return Ran(orjson.loads(printed or b"null"), usage.ru_utime + usage.ru_stime)

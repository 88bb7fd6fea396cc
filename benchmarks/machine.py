"""What a figure was measured on, and what processes used."""

import os
import platform
import re
from pathlib import Path
from typing import Any

# Instructions that matter to the engine.
_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
_TICKS = os.sysconf("SC_CLK_TCK")


def machine() -> dict[str, Any]:
    """The processor's name, those of its flags that matter to the engine, and how many cores may be used."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    name = re.search(r"^model name\s*: (.*)$", text, re.MULTILINE)
    found = set(text.split())
    return {
        "processor": name[1] if name else platform.processor() or platform.machine(),
        "flags": [flag for flag in _FLAGS if flag in found],
        "cores": len(os.sched_getaffinity(0)),
    }


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and of those of its children that have ended (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS


def memory_mb(pid: int) -> dict[str, float]:
    """Memory of a process in MB (Linux): resident now and at most so far, and what no other process shares."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    kib = {name: int(value) for name, value in re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", status, re.MULTILINE)}
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
    unique = sum(map(int, re.findall(r"^Private_\w+:\s+(\d+) kB", rollup, re.MULTILINE)))
    found = {"resident": kib["VmRSS"], "unique": unique, "most": kib["VmHWM"]}
    return {name: value * 1024 / 1e6 for name, value in found.items()}

"""What the inputs of one target led to: outcomes, crashes, the slowest ones, memory."""

import hashlib
import json
import resource
import time
import traceback
from pathlib import Path
from typing import Any

from tests.fuzz.catalogue import Target

# Processor time; an input that needs more is a finding.
SLOW_MS = 50.0
# By which one input may raise the most memory that the process ever used.
MOST_MIB = 64.0
_MOST_KEPT = 20


class Measured:
    """Runs a target's inputs and counts; inputs that are findings are written to a folder."""

    def __init__(self, target: Target, folder: Path) -> None:
        self._target = target
        self._folder = folder
        self.inputs = 0
        self.outcomes: set[str] = set()
        self.crashes: dict[str, str] = {}
        self.slow: list[tuple[float, str]] = []
        self.slowest_ms, self.slowest_bytes = 0.0, 0
        # What the seeds load is loaded once, and no growth.
        self._peak, self._is_warm = _peak_mib(), False
        for data in target.seeds:
            self.run(data)
        self._peak_before, self._is_warm = self._peak, True

    def run(self, data: bytes) -> None:
        """One input. A crash is counted, not raised: the same one is met many times before it is fixed."""
        self.inputs += 1
        started = time.thread_time()
        try:
            self.outcomes.add(self._target.run(data))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 (panics of libraries in Rust are no Exception)
            self._crashed(data, error)
        ms = (time.thread_time() - started) * 1_000
        if ms > self.slowest_ms:
            self.slowest_ms, self.slowest_bytes = ms, len(data)
        grown = (peak := _peak_mib()) - self._peak
        self._peak = peak
        if grown > MOST_MIB and self._is_warm:
            self.crashes.setdefault(f"memory grew by {grown:.0f} MiB", self._keep(data, "memory"))
        if ms > SLOW_MS and len(self.slow) < _MOST_KEPT:
            self.slow.append((ms, self._keep(data, "slow")))

    def report(self) -> dict[str, Any]:
        """The figures, as JSON."""
        return {
            "target": self._target.name,
            "inputs": self.inputs,
            "outcomes": len(self.outcomes),
            "slowest_ms": round(self.slowest_ms, 1),
            "slowest_bytes": self.slowest_bytes,
            "memory_growth_mib": round(_peak_mib() - self._peak_before, 1),
            "slow": self.slow,
            "crashes": self.crashes,
        }

    def write(self, file: Path) -> None:
        """Write the figures."""
        file.write_text(json.dumps(self.report()), encoding="utf-8")

    def _crashed(self, data: bytes, error: BaseException) -> None:
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}: {str(error)[:120]}"
        key = place.split(":", 2)[:2]
        if not any(known.split(":", 2)[:2] == key for known in self.crashes) and len(self.crashes) < _MOST_KEPT:
            self.crashes[place] = self._keep(data, "crash")

    def _keep(self, data: bytes, what: str) -> str:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{self._target.name}-{what}-{hashlib.sha256(data).hexdigest()[:12]}"
        path.write_bytes(data)
        return str(path)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024

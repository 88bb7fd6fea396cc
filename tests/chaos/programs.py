"""Hangtag's own programs as processes, restarted when they end, as an orchestrator does."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from hangtag.cli.demo.programs import environment_with
from hangtag.cli.local import Child, free_port
from tests.chaos.errors import ChaosError
from tests.chaos.look_ups import NO_FORK_HANDLERS

ROOT = Path(__file__).resolve().parents[2]
# docs/operations.md: how long an orchestrator waits for a worker before it kills it.
STOP_S = 40.0
_RESTART_AFTER_S = 1.0
_HANGTAG = (sys.executable, "-P", "-m", "hangtag.cli")
_COMMANDS = {"server": ("serve",), "arrivals": ("arrivals",), "index": ("index", "serve")}


class Programs:
    """Workers by number, a server, an index, arrivals and `hangtag rebuild`; a context manager for the main thread.

    `ended` has a line for every program that ended without being asked to.
    """

    def __init__(self, folder: Path, addresses: dict[str, str]) -> None:
        self._folder = folder
        self.server_port = free_port()
        index_port = str(free_port())
        own = {
            "server.port": str(self.server_port),
            "server.metrics_port": "0",
            "server.index_address": f"127.0.0.1:{index_port}",
            "worker.metrics_port": "0",
            "arrivals.metrics_port": "0",
            "index.port": index_port,
            "index.metrics_port": str(free_port()),
            "index.snapshot_dir": str(folder / "index"),
            "index.snapshot_every_s": "10",
        }
        environment = environment_with({**addresses, **own, "log.format": "json"})
        # The code of this checkout, wherever the installed package leads.
        self._environment = {**environment, "PYTHONPATH": str(ROOT)}
        self._environment.pop(NO_FORK_HANDLERS, None)
        self._exit = ExitStack()
        self._children: dict[str, Child] = {}
        self._is_frozen: set[str] = set()
        self._wanted: set[str] = set()
        self._restart_at: dict[str, float] = {}
        self.ended: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._is_frozen):
            self.thaw(name)
        for child in self._children.values():  # ask all of them before waiting for each
            child.ask_to_stop()
        for child in self._children.values():
            child.stop(STOP_S)

    @property
    def running(self) -> list[str]:
        """The programs that should run and do."""
        return sorted(name for name in self._wanted if self._children[name].is_running)

    def start(self, name: str) -> None:
        """Start `worker-1`, `worker-2`, ..., `server`, `arrivals` or `index`."""
        self._wanted.add(name)
        self._children[name] = self._run(name, *_COMMANDS.get(name, ("work",)))

    def kill(self, name: str) -> None:
        """Kill it with -9; it stays down until it is started again."""
        self._wanted.discard(name)
        os.kill(self._children[name].pid, signal.SIGKILL)
        self._children[name].stop()

    def ask_to_stop(self, name: str) -> None:
        """Send SIGTERM; it stays down until it is started again."""
        self._wanted.discard(name)
        self._children[name].ask_to_stop()

    def has_stopped(self, name: str) -> bool:
        """True once it ended after SIGTERM; noted in `ended` if its exit code is not 0.

        The signal itself is the code if it came before Python had loaded the program.
        """
        child = self._children[name]
        if child.is_running:
            return False
        if child.exit_code not in (0, -signal.SIGTERM):
            self._note(name, child)
        return True

    def freeze(self, name: str) -> None:
        """Stop it with SIGSTOP."""
        self._is_frozen.add(name)
        os.kill(self._children[name].pid, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Let it go on with SIGCONT."""
        self._is_frozen.discard(name)
        os.kill(self._children[name].pid, signal.SIGCONT)

    def supervise(self) -> None:
        """Start again what ended by itself, after a moment."""
        for name in sorted(self._wanted):
            if self._children[name].is_running:
                continue
            if name not in self._restart_at:
                self._note(name, self._children[name])
                self._restart_at[name] = time.monotonic() + _RESTART_AFTER_S
            elif time.monotonic() >= self._restart_at[name]:
                del self._restart_at[name]
                self.start(name)

    def rebuild(self) -> Child:
        """Start `hangtag rebuild`."""
        self._children["rebuild"] = child = self._run("rebuild", "rebuild")
        return child

    def check_index(self) -> dict[str, Any]:
        """What `hangtag index check --json` says.

        Raises:
            ChaosError: it says nothing.
        """
        command = [*_HANGTAG, "index", "check", "--json"]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        try:
            found: dict[str, Any] = json.loads(done.stdout)
        except ValueError as error:
            msg = f"`hangtag index check` ended with {done.returncode}: {done.stderr.strip()}"
            raise ChaosError(msg) from error
        return found

    def _run(self, name: str, *command: str) -> Child:
        return Child(name, [*_HANGTAG, *command], self._folder, self._environment)

    def _note(self, name: str, child: Child) -> None:
        self.ended.append(f"{name} ended with exit code {child.exit_code}: {_last_reason(child)}")


def _last_reason(child: Child) -> str:
    """The last critical line of the log, or its last line."""
    lines = [line.strip() for line in child.tail(60).splitlines()]
    critical = [line for line in lines if line.startswith("{") and json.loads(line).get("level") == "critical"]
    return (critical or lines)[-1]

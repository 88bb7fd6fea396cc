"""The server that the targets of the wire send their inputs to: a process that asks for tokens.

Meanwhile a neighbour with a token of its own looks up products.
"""

import atexit
import os
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import grpc

from hangtag.access import Scope, add_token, new_token
from hangtag.cli.local import Child, free_port, start_valkey
from hangtag.v1 import tags_pb2, tags_pb2_grpc
from tests.fuzz.contract import require
from tests.integration.server.behaviour.peer import Answer

UNAUTHENTICATED = 16
ROOT = Path(__file__).resolve().parents[2]
_READY_S = 120.0  # on a busy machine
# What the neighbour waits for an answer. The machine may be busy; without harm an answer takes milliseconds.
_PATIENCE_S = 30.0
# Between two looks at the server.
_INPUTS = 50
# While it warms up, gRPC and the allocator take what they then keep; afterwards it may grow by so little that a leak of
# 30 KiB an input shows in a long run.
_WARM_INPUTS = 500
_MOST_GROWN_MIB = 128.0
_MOST_MIB = 768.0


class RunningServer:
    """A server on `port`, until this process ends."""

    def __init__(self, stack: ExitStack) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hangtag-fuzz-")))
        valkey = stack.enter_context(start_valkey(folder))
        self.port, self.http_port = free_port(), free_port()
        caller, neighbour = (new_token(client, [Scope.READ, Scope.SUGGEST]) for client in ("fuzzer", "neighbour"))
        for each in (caller, neighbour):
            add_token(folder / "tokens.jsonl", each.token)
        self.token = caller.text
        settings = {
            "REDIS__URL": valkey.url,
            "REDIS__TIMEOUT_MS": 10_000,
            "SERVER__PORT": self.port,
            "SERVER__HTTP_PORT": self.http_port,
            "SERVER__METRICS_PORT": 0,
            "SERVER__FOLLOW": "false",
            "SERVER__TOKENS_FILE": folder / "tokens.jsonl",
        }
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        environment |= {f"HANGTAG_{name}": str(value) for name, value in settings.items()}
        self._child = Child("serve", [sys.executable, "-m", "tests.fuzz.served"], folder, environment)
        stack.callback(self._child.stop)
        self._neighbour = _Neighbour(self.port, neighbour.text)
        stack.callback(self._neighbour.stop)
        self._inputs = 0
        self._mib = 0.0

    def bearer(self, data: bytes) -> str | None:
        """The token that an input brings, by its first byte: the right one, a wrong one, or none."""
        return {0: f"Bearer {self.token}", 1: f"Bearer {self.token[:-1]}", 2: None}[data[0] % 3 if data else 2]

    def is_valid(self, authorization: str | None) -> bool:
        """Whether it is that of the right token."""
        return authorization == f"Bearer {self.token}"

    def checked(self, outcome: str) -> str:
        """Count an input with this outcome, and look now and then how the server is.

        Raises:
            BrokenContractError: it has ended, keeps more and more memory, or the neighbour got no answer.
        """
        self._inputs += 1
        if self._inputs % _INPUTS == 0:
            require(self._child.is_running, f"the server ended: {self._child.tail(5)}")
            self._neighbour.check()
            mib = _resident_mib(self._child.pid)
            if self._inputs <= _WARM_INPUTS:
                self._mib = max(self._mib, mib)
            most = min(self._mib + _MOST_GROWN_MIB, _MOST_MIB)
            require(mib < most, f"the server grew from {self._mib:.0f} to {mib:.0f} MiB")
        return outcome


class _Neighbour:
    """Looks up a product over a connection of its own, again and again."""

    def __init__(self, port: int, token: str) -> None:
        self._metadata = [("authorization", f"Bearer {token}")]
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        self._stub = tags_pb2_grpc.TagServiceStub(self._channel)
        self._look_up(_READY_S)
        self._answers = 0
        self._problem = ""
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Wait for the next answer."""
        before, give_up = self._answers, time.monotonic() + 2 * _PATIENCE_S
        while not self._problem and self._answers == before and time.monotonic() < give_up:
            time.sleep(0.002)
        require(not self._problem and self._answers > before, f"a look-up of somebody else failed: {self._problem}")

    def stop(self) -> None:
        self._is_stopped.set()
        self._thread.join(_PATIENCE_S)
        self._channel.close()

    def _run(self) -> None:
        while not self._is_stopped.wait(0.01):
            try:
                self._look_up(_PATIENCE_S)
            except grpc.RpcError as error:
                if not self._is_stopped.is_set():
                    self._problem = f"{error.code().name}: {error.details()}"
                return
            self._answers += 1

    def _look_up(self, timeout_s: float) -> None:
        request = tags_pb2.BatchGetProductTagsRequest(product_ids=["neighbour"])
        # A connection that has reached its age is closed: the call is made on the next one.
        answer = self._stub.BatchGetProductTags(
            request, timeout=timeout_s, metadata=self._metadata, wait_for_ready=True
        )
        require(answer.products[0].product_id == "neighbour", "a look-up got another answer")


def require_denied(answer: Answer) -> None:
    """Raise `BrokenContractError` if a call without a valid token got an answer of Hangtag that is not UNAUTHENTICATED.

    What gRPC itself refuses, such as a stream that breaks HTTP/2, it refuses whoever calls.
    """
    is_ours = "grpc-status-details-bin" in answer.headers
    require(not answer.body, "the unauthenticated got a reply")
    require(answer.status != 0, "a call of the unauthenticated succeeded")
    require(not is_ours or answer.status == UNAUTHENTICATED, f"the unauthenticated got the status {answer.status}")


@cache
def running_server() -> RunningServer:
    """The server of this process, started with the first call."""
    stack = ExitStack()
    atexit.register(stack.close)
    return RunningServer(stack)


def _resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)

"""Sending a call, again if need be: to which server, with which token, and until when."""

import threading
import time
from typing import Any

import grpc

from hangtag.client.errors import (
    CallError,
    UnauthenticatedError,
    UnavailableError,
    closed_meanwhile,
    error_of,
    no_time_left,
)
from hangtag.client.options import Options
from hangtag.client.retries import Budget, is_of_server, may_be_repeated
from hangtag.client.servers import SEARCHES, Server, Servers
from hangtag.client.steps import Pause, Send, Steps
from hangtag.client.tokens import Metadata


class Attempts:
    """The attempts of all calls of a client. `module`, `grpc` or `grpc.aio`, opens the channels at the first call."""

    def __init__(self, options: Options, module: Any) -> None:
        self._options = options
        self._module = module
        self._lock = threading.Lock()
        self._servers: Servers | None = None
        self._is_closed = False
        self._budget = Budget(options.retries.budget)
        # While the index is away, look-ups are still sent again.
        self._budget_of_searches = Budget(options.retries.budget)

    def call(self, method: str, request: Any, timeout_s: float, *, hedges: bool = False) -> Steps[Any]:
        """One call: its attempts, until one is answered or no further one makes sense.

        Raises:
            CallError: as the last attempt ended.
        """
        deadline = time.monotonic() + timeout_s
        if timeout_s <= 0:
            raise no_time_left()
        budget = self._budget_of_searches if method in SEARCHES else self._budget
        server = self._open().pick()
        other = self._other if hedges and self._options.hedge_after_s is not None else None
        left_s, attempts = timeout_s, 1
        while True:
            token = self._options.tokens.metadata()
            try:
                reply = yield Send(server, method, request, left_s, self._with_trace(token), other)
            except grpc.RpcError as raised:
                error = error_of(raised, server.address, attempts)
            else:
                budget.succeeded()
                return reply
            wait_s = self._wait_s(error, server, token, budget)
            left_s = deadline - time.monotonic()
            if wait_s is None or wait_s >= left_s:
                raise error from None
            if wait_s:
                yield Pause(wait_s)
            server = self._open().other(server)
            left_s = deadline - time.monotonic()
            attempts += 1

    def close(self) -> list[Any]:
        """Close the channels, if there are any: what each returns, which an asyncio client waits for."""
        with self._lock:
            self._is_closed = True
            return [] if self._servers is None else self._servers.close()

    def _open(self) -> Servers:
        if self._servers is None:
            with self._lock:
                if self._is_closed:
                    raise closed_meanwhile()
                if self._servers is None:
                    options = self._options
                    self._servers = Servers(options.addresses, options.tls, options.connections, self._module)
        return self._servers

    def _wait_s(self, error: CallError, server: Server, token: Metadata, budget: Budget) -> float | None:
        """After how many seconds the call is sent again; None: it is not."""
        if isinstance(error, UnauthenticatedError) and error.attempts == 1 and self._options.tokens.refresh(token):
            return 0.0
        # A slow search says nothing about look-ups.
        if is_of_server(error) and (budget is self._budget or isinstance(error, UnavailableError)):
            self._open().rest(server)
        if not may_be_repeated(error) or not budget.failed():
            return None
        return self._options.retries.wait_s(error, self._open().has_other(server))

    def _other(self, server: Server) -> Server | None:
        return self._open().other(server) if self._budget.has_any else None

    def _with_trace(self, token: Metadata) -> Metadata:
        if self._options.inject is None:
            return token
        headers: dict[str, str] = {}
        self._options.inject(headers)
        return token if not headers else (*token, *((name.lower(), each) for name, each in headers.items()))

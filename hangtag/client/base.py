"""What both clients have in common: their settings, and where they may be used."""

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from hangtag.client.errors import UsageError
from hangtag.client.flow import Flow
from hangtag.client.options import make_options
from hangtag.client.retries import Retries
from hangtag.client.tls import Tls
from hangtag.client.tokens import Token
from hangtag.client.tracing import Inject

_DEFAULT_RETRIES = Retries()


class BaseClient(ABC):
    """The settings of a client, its state, and who may use it."""

    _module: Any

    def __init__(
        self,
        address: str | Sequence[str],
        *,
        token: Token | None = None,
        tls: bool | Tls = False,
        timeout_s: float = 1.0,
        retries: Retries | None = _DEFAULT_RETRIES,
        hedge_after_s: float | None = None,
        max_age_ms: float = 0,
        cache_entries: int = 10_000,
        gather_gets: bool = False,
        connections: int = 1,
        trace: bool | Inject | None = None,
        allow_plain_token: bool = False,
    ) -> None:
        """Connections are opened by the first call.

        Args:
            address: `host:port`; a name may lead to several servers. Or a list of addresses, which are used in turn.
            token: the token for servers that ask for one; a `Path` of a file, which is read again when it changes; or a
                function that returns it, called for every attempt.
            tls: True, or `Tls(...)` with files.
            timeout_s: how long a call may take, retries included, in seconds; each call may have its own.
            retries: when calls are sent again; None: never.
            hedge_after_s: look-ups that take longer are also sent to another server; None: they are not.
            max_age_ms: how old an answer of this client's own cache may be; 0: the server is always asked.
            cache_entries: how many products the cache keeps.
            gather_gets: `get` calls that run at the same time are sent as one.
            connections: to each address. A server with several processes needs at least as many.
            trace: a function that writes a trace's headers into a dictionary; None: that of OpenTelemetry, if it is
                installed; False: none.
            allow_plain_token: send the token without TLS, where something else encrypts the connection.

        Raises:
            SettingError: a setting cannot be used; the message names it.
        """
        self._options = make_options(
            address,
            token=token,
            tls=tls,
            timeout_s=timeout_s,
            retries=retries,
            hedge_after_s=hedge_after_s,
            max_age_ms=max_age_ms,
            cache_entries=cache_entries,
            gather_gets=gather_gets,
            connections=connections,
            trace=trace,
            allow_plain_token=allow_plain_token,
        )
        self._flow = Flow(self._options, self._module)
        self._is_closed = False
        self._pid: int | None = None
        self._set_up()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self._options.addresses)})"

    @abstractmethod
    def _set_up(self) -> None:
        """Make what one kind of client needs beside this."""

    def _check(self) -> None:
        """Raises `UsageError` unless calls can be made."""
        if self._is_closed:
            msg = "the client is closed; make another one"
            raise UsageError(msg)
        if self._pid is None:
            self._pid = os.getpid()
        elif self._pid != os.getpid():
            msg = (
                "the client was used before this process was forked, and its connections belong to the parent; make a "
                "client in each process, after the fork"
            )
            raise UsageError(msg)

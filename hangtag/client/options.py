"""What a client was made with, checked."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hangtag.client.errors import SettingError
from hangtag.client.retries import Retries
from hangtag.client.servers import addresses_of, leaves_the_machine
from hangtag.client.tls import Tls, TlsFiles
from hangtag.client.tokens import Token, Tokens, tokens_of
from hangtag.client.tracing import Inject, inject_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The settings of a client; `make_options` checks them."""

    addresses: tuple[str, ...]
    tokens: Tokens
    tls: TlsFiles | None
    timeout_s: float
    retries: Retries
    hedge_after_s: float | None
    max_age_ms: float
    cache_entries: int
    gather_gets: bool
    connections: int
    inject: Inject | None


def make_options(
    address: str | Sequence[str],
    *,
    token: Token | None,
    tls: bool | Tls,
    timeout_s: float,
    retries: Retries | None,
    hedge_after_s: float | None,
    max_age_ms: float,
    cache_entries: int,
    gather_gets: bool,
    connections: int,
    trace: bool | Inject | None,
    allow_plain_token: bool,
) -> Options:
    """The settings, checked.

    Raises:
        SettingError: one of them cannot be used; the message names it.
    """
    addresses = addresses_of(address)
    security = tls if isinstance(tls, Tls) else Tls() if tls else None
    if token is not None and security is None and not allow_plain_token:
        for each in filter(leaves_the_machine, addresses):
            msg = (
                f"the token would travel to {each} unencrypted; use tls=True, or allow_plain_token=True where "
                "something else encrypts the connection, such as a service mesh"
            )
            raise SettingError(msg)
    check_timeout(timeout_s)
    if hedge_after_s is not None and not 0 < hedge_after_s < timeout_s:
        msg = f"hedge_after_s is {hedge_after_s!r}; it must be above 0 and below timeout_s ({timeout_s:g})"
        raise SettingError(msg)
    for name, number, least in (
        ("max_age_ms", max_age_ms, 0),
        ("cache_entries", cache_entries, 0),
        ("connections", connections, 1),
    ):
        if number < least:
            msg = f"{name} is {number!r}; it must be at least {least}"
            raise SettingError(msg)
    return Options(
        addresses=addresses,
        tokens=tokens_of(token),
        tls=None if security is None else security.read(),
        timeout_s=timeout_s,
        retries=retries or Retries(attempts=1),
        hedge_after_s=hedge_after_s,
        max_age_ms=max_age_ms,
        cache_entries=cache_entries,
        gather_gets=gather_gets,
        connections=connections,
        inject=inject_of(trace),
    )


def check_timeout(timeout_s: float) -> None:
    """Raises `SettingError` unless it is a time that a call may take."""
    if not 0 < timeout_s < math.inf:
        msg = f"timeout_s is {timeout_s!r}; it must be a number of seconds above 0"
        raise SettingError(msg)

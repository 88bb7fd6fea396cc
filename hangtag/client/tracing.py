"""Passing the caller's trace on to the server, in the metadata that OpenTelemetry's propagators write."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

# Writes headers such as `traceparent` into the dictionary it is given.
Inject = Callable[[dict[str, str]], Any]


def inject_of(trace: bool | Inject | None) -> Inject | None:
    """What writes the headers: the user's function, or OpenTelemetry's; None if it is not installed or not wanted."""
    if callable(trace):
        return trace
    if trace is False or find_spec("opentelemetry") is None or find_spec("opentelemetry.propagate") is None:
        return None
    from opentelemetry import context, propagate  # noqa: PLC0415 (not a dependency)

    def inject(headers: dict[str, str]) -> None:
        # Propagators take several microseconds to find out that there is nothing to write.
        if current := context.get_current():
            propagate.inject(headers, context=current)

    return inject

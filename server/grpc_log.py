"""Drops log lines of gRPC about what callers do."""

import logging

# A reply that cannot be sent, because the caller closed its connection. It is at the level of an error, with a stack.
_CLOSED_BY_CALLER = "ExecuteBatchError raised in core by servicer method"


def drop_lines_about_callers() -> None:
    """Drop them from now on; the call is counted in `hangtag_calls_total` as any other."""
    logging.getLogger("grpc._cython.cygrpc").addFilter(_is_about_server)


def _is_about_server(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_CLOSED_BY_CALLER)

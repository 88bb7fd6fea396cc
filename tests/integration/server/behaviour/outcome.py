"""How a call ended: its status, the reason in its details, and when to try again."""

import base64
from typing import NamedTuple

import grpc
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from tests.integration.server.behaviour.peer import Answer

_DETAILS = "grpc-status-details-bin"


class Outcome(NamedTuple):
    """`reason` is that of `google.rpc.ErrorInfo`; `retry_ms` is None where a retry makes no sense."""

    code: grpc.StatusCode
    reason: str | None = None
    retry_ms: int | None = None
    message: str = ""


def outcome_of(call: grpc.Call) -> Outcome:
    """How a call of gRPC's client ended. Waits for it."""
    details = dict(call.trailing_metadata() or ()).get(_DETAILS)
    if details is None:
        return Outcome(call.code(), message=call.details() or "")
    status = Status.FromString(details)
    assert (status.code, status.message) == (call.code().value[0], call.details())
    return Outcome(call.code(), *_reason_and_retry(status), status.message)


def reason_of(answer: Answer) -> str | None:
    """The reason in the details of an answer that a `Peer` has read."""
    details = answer.headers.get(_DETAILS)
    if details is None:
        return None
    # gRPC leaves out the padding.
    status = Status.FromString(base64.b64decode(details + "=" * (-len(details) % 4)))
    return _reason_and_retry(status)[0]


def _reason_and_retry(status: Status) -> tuple[str | None, int | None]:
    reason, retry_ms = None, None
    info, retry = ErrorInfo(), RetryInfo()
    for each in status.details:
        if each.Unpack(info):
            assert info.domain == "hangtag"
            reason = info.reason
        if each.Unpack(retry):
            retry_ms = retry.retry_delay.ToMilliseconds()
    return reason, retry_ms


def is_refused(answer: Answer) -> bool:
    """The call ended with an error: a gRPC status, an HTTP status, or a reset stream."""
    return answer.reset not in (None, 0) or answer.status not in (None, 0) or answer.http not in (None, "200")

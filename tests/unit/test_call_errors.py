"""Errors of calls: each has a stable reason that programs can read, and the contract lists them all."""

import re
from pathlib import Path

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from hangtag.server.errors import CallError, Reason

CONTRACT = Path(__file__).resolve().parents[2] / "docs" / "contracts.md"
RETRIED = {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE}


def documented() -> dict[str, str]:
    """The status of each reason in the contract's table."""
    page = CONTRACT.read_text("utf-8")
    rows = page[page.index("### Statuses") : page.index("### Limits")].splitlines()
    found: dict[str, str] = {}
    status = ""
    for row in rows:
        cells = [cell.strip() for cell in row.split("|")[1:-1]]
        if len(cells) == 5 and (named := re.fullmatch(r"`([A-Z_]+)`", cells[1])):
            status = cells[0].strip("`") or status
            found[named[1]] = status
    return found


def test_the_contract_lists_every_reason_with_its_status() -> None:
    assert documented() == {reason.label: reason.code.name for reason in Reason}


@pytest.mark.parametrize("reason", Reason)
def test_an_error_tells_programs_its_reason_and_when_to_retry(reason: Reason) -> None:
    status = Status.FromString(CallError(reason, "what to do", 1.5).details())

    assert (status.code, status.message) == (reason.code.value[0], "what to do")
    info, retry = ErrorInfo(), RetryInfo()
    assert status.details[0].Unpack(info)
    assert (info.domain, info.reason) == ("hangtag", reason.label)
    assert len(status.details) == (2 if reason.code in RETRIED else 1)
    if reason.code in RETRIED:
        assert status.details[1].Unpack(retry)
        assert retry.retry_delay.ToMilliseconds() == 1_500


def test_a_retry_always_has_a_time_to_wait() -> None:
    status = Status.FromString(CallError(Reason.TOO_MANY_IDS, "too many").details())

    retry = RetryInfo()
    assert status.details[1].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() > 0

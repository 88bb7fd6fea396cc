"""The trace of whoever calls goes with the call, by OpenTelemetry where it is installed."""

import pytest

from hangtag.client.tracing import inject_of


def test_opentelemetrys_headers_are_those_of_the_current_span():
    trace = pytest.importorskip("opentelemetry.trace", reason="opentelemetry-api is not installed")
    context = trace.SpanContext(0xAF76, 0xB7AD, is_remote=False, trace_flags=trace.TraceFlags(1))
    inject = inject_of(None)
    headers: dict[str, str] = {}

    inject(headers)
    assert headers == {}
    with trace.use_span(trace.NonRecordingSpan(context)):
        inject(headers)

    assert headers == {"traceparent": f"00-{0xAF76:032x}-{0xB7AD:016x}-01"}


def test_without_opentelemetry_there_is_no_trace(monkeypatch):
    monkeypatch.setattr("hangtag.client.tracing.find_spec", lambda _: None)

    assert inject_of(None) is None
    assert inject_of(False) is None
    assert inject_of(print) is print

"""OpenTelemetry: spans of requests where it is configured, one line where it cannot be, nothing else."""

import sys

import pytest
from opentelemetry import trace

from services import tracing
from services.errors import BadSetup


def test_without_configuration_nothing_is_set_up(monkeypatch):
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    before = trace.get_tracer_provider()
    tracing.configure()
    assert trace.get_tracer_provider() is before


def test_a_collector_without_the_packages_for_it_is_refused(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(BadSetup, match="telemetry"):
        tracing.configure()


def test_a_request_is_a_span_with_its_route_and_no_text(live):
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    live.http.get("/v1/tasks?instance_id=secret", headers={"X-Request-Id": "traced"})
    span = next(s for s in exporter.get_finished_spans() if s.attributes["request.id"] == "traced")
    assert span.attributes["http.route"] == "/v1/tasks"
    assert span.attributes["http.response.status_code"] == 200
    assert "secret" not in span.to_json()

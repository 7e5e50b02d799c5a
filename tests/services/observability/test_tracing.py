"""OpenTelemetry: spans of requests where it is configured, one line where it cannot be, nothing else."""

import sys

import pytest
from opentelemetry import trace

from services.errors import BadSetup
from services.observability import tracing
from tests.services.conftest import until


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


def test_a_request_is_a_span_with_its_route_and_no_prompt(live):
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    body = {"model": "tiny-llama", "messages": [{"role": "user", "content": "xyzzy"}], "max_tokens": 1}
    live.http.post("/v1/chat/completions", json=body, headers={"X-Request-Id": "traced"})

    def ours():
        found = exporter.get_finished_spans()
        return next((span for span in found if span.attributes.get("request.id") == "traced"), None)

    span = until(ours)
    assert span.attributes["http.route"] == "/v1/chat/completions"
    assert span.attributes["http.response.status_code"] == 200
    assert not any("xyzzy" in each.to_json() for each in exporter.get_finished_spans())

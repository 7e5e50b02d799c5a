"""OpenTelemetry, only where it was configured by the usual OTEL_EXPORTER_OTLP_ENDPOINT.

Spans hold ids, routes and durations, never texts. Without configuration the API does nothing.
"""

import os

from opentelemetry import trace

from services.errors import BadSetup


def configure() -> None:
    """Send spans to the configured collector. Raises BadSetup where the packages for it are missing."""
    if not os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise BadSetup(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is set and {error.name} is missing: "
            "install steered-orchestrator[telemetry], or unset it"
        ) from None
    provider = TracerProvider(resource=Resource.create({"service.name": "steered-orchestrator"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)

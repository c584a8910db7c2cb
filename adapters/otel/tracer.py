"""Traces by OpenTelemetry's SDK, sent as its environment variables say."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol
from uuid import UUID

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

TRACEPARENT = "traceparent"
# Of what a batch of orders goes through, by its name.
KINDS = {"send": SpanKind.PRODUCER, "fulfil": SpanKind.CONSUMER}
SERVER_ERROR = 500


def otlp_provider(service: str) -> TracerProvider:
    """Sends spans over HTTP, in batches, from a thread of its own.

    `service`: the name, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES has another.
    """
    named = SERVICE_NAME in OTELResourceDetector().detect().attributes
    resource = Resource.create({} if named else {SERVICE_NAME: service})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


class Headers(Protocol):
    """Those of a request."""

    def get(self, key: str, /) -> str | None:
        """One of them, whatever the case of its name."""


class OtelTracer:
    """Tracer on an SDK's provider."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("order_aggregator")
        self._propagator = TraceContextTextMapPropagator()

    @contextmanager
    def request(self, method: str, headers: Headers) -> Iterator[Callable[[str, int], None]]:
        """A span for a request, in the trace that its headers name, if they do."""
        given = {key: value for key in (TRACEPARENT, "tracestate") if (value := headers.get(key))}
        with self._tracer.start_as_current_span(
            method,
            context=self._propagator.extract(given, Context()),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": method},
        ) as span:

            def answered(route: str, status: int) -> None:
                span.update_name(f"{method} {route}")
                span.set_attributes({"http.route": route, "http.response.status_code": status})
                if status >= SERVER_ERROR:
                    span.set_status(Status(StatusCode.ERROR))

            yield answered

    @contextmanager
    def batch(
        self, step: str, traces: Mapping[UUID, str], began: int | None = None
    ) -> Iterator[dict[UUID, Exception]]:
        """A span for all these orders, and one in the trace of each; the two are linked."""
        start = began or time.time_ns()
        parents = {
            order_id: self._propagator.extract({TRACEPARENT: trace}, Context())
            for order_id, trace in traces.items()
        }
        links = [Link(get_current_span(each).get_span_context()) for each in parents.values()]
        failures: dict[UUID, Exception] = {}
        with self._tracer.start_as_current_span(
            f"{step} orders",
            context=Context(),
            links=links,
            start_time=start,
            attributes={"order.count": len(traces)},
        ) as together:
            yield failures
        end = time.time_ns()
        for order_id, parent in parents.items():
            span = self._tracer.start_span(
                f"{step} order",
                context=parent,
                kind=KINDS.get(step, SpanKind.INTERNAL),
                links=[Link(together.get_span_context())],
                start_time=start,
                attributes={"order.id": str(order_id)},
            )
            if error := failures.get(order_id):
                span.record_exception(error, timestamp=end)
                span.set_status(Status(StatusCode.ERROR, str(error)))
            span.end(end)

    def traceparent(self) -> str | None:
        """The current span, as W3C Trace Context writes it; None if it is not recorded."""
        carrier: dict[str, str] = {}
        if get_current_span().is_recording():
            self._propagator.inject(carrier)
        return carrier.get(TRACEPARENT)

    def ids(self) -> dict[str, str]:
        """What a line of the log has of the current span."""
        context = get_current_span().get_span_context()
        if not context.is_valid:
            return {}
        return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()

"""Traces, where the environment asks for them. Where it does not, each call returns at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol
from uuid import UUID

from ...adapters.system.log import Log

log = Log()

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
Answered = Callable[[str, int], None]


class Headers(Protocol):
    """Those of a request."""

    def get(self, key: str, /) -> str | None:
        """One of them, whatever the case of its name."""


class Tracer(Protocol):
    """Makes spans."""

    def request(self, method: str, headers: Headers) -> AbstractContextManager[Answered]:
        """A span for a request; what it gives is to be told the route and the status."""

    def batch(
        self, step: str, traces: Mapping[UUID, str], began: int | None = None
    ) -> AbstractContextManager[dict[UUID, Exception]]:
        """Spans for a step of many orders; what it gives takes why some of them failed."""

    def traceparent(self) -> str | None:
        """The current span, as W3C Trace Context writes it; None if nobody records it."""

    def ids(self) -> dict[str, str]:
        """What a line of the log has of the current span."""

    def close(self) -> None:
        """Send what is left."""


# Of this process; None: it does not trace.
_tracer: Tracer | None = None


@contextmanager
def tracing_by(tracer: Tracer) -> Iterator[None]:
    """Trace meanwhile."""
    global _tracer  # noqa: PLW0603 - a process traces, or it does not
    _tracer = tracer
    try:
        yield
    finally:
        _tracer = None
        tracer.close()


def tracing(service: str) -> AbstractContextManager[None]:
    """Trace meanwhile, if OTEL_… variables say where traces go."""
    if not is_wanted(os.environ):
        return nullcontext()
    try:
        from ...adapters.otel.tracer import OtelTracer, otlp_provider
    except ImportError:
        log.warning("tracing.not_installed", needed="order-aggregator[otel]")
        return nullcontext()
    return tracing_by(OtelTracer(otlp_provider(f"order-aggregator-{service}")))


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Whether there is an address, or an exporter is asked for; and none of it is switched off."""
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER")
    if exporter:
        return exporter == "otlp"
    return any(environment.get(name) for name in ENDPOINTS)


def request_span(method: str, headers: Headers) -> AbstractContextManager[Answered] | None:
    """None where nobody traces."""
    return None if _tracer is None else _tracer.request(method, headers)


def order_spans(
    step: str, traces: Callable[[], Mapping[UUID, str]], began: int | None = None
) -> AbstractContextManager[dict[UUID, Exception]]:
    """`began`: in nanoseconds since 1970, where that was before."""
    found = traces() if _tracer is not None else None
    if _tracer is None or not found:
        return nullcontext({})
    return _tracer.batch(step, found, began)


def traceparent() -> str | None:
    """The current span; None where nobody traces."""
    return None if _tracer is None else _tracer.traceparent()


def trace_ids() -> dict[str, str]:
    """Of the current span, for the log; nothing where nobody traces."""
    return {} if _tracer is None else _tracer.ids()

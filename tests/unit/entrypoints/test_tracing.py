"""Traces, from the request to the fulfilment."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from uuid import UUID

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from api_under_test import ApiUnderTest
from order_aggregator.adapters.otel.tracer import OtelTracer
from order_aggregator.adapters.wire import decode, encode, traces_of
from order_aggregator.entrypoints.runtime.logs import _add_trace
from order_aggregator.entrypoints.runtime.tracing import is_wanted, request_span, tracing_by
from worker_shop import Shop

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{CALLER}-01"


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with tracing_by(OtelTracer(provider)):
        yield exporter


@pytest.fixture
def api() -> Iterator[ApiUnderTest]:
    api = ApiUnderTest()
    yield api
    api.close()


def named(exporter: InMemorySpanExporter, name: str) -> ReadableSpan:
    [span] = [span for span in exporter.get_finished_spans() if span.name == name]
    return span


def place(api: ApiUnderTest, traceparent: str = TRACEPARENT) -> None:
    answer = api.client.post(
        "/v1/api/order",
        json={"product_id": "BOLT", "quantity": 1},
        headers={"traceparent": traceparent},
    )
    assert answer.status_code == 202


def bodies(api: ApiUnderTest) -> list[bytes]:
    return list(api.shop.relay_messages())


def test_a_request_goes_on_with_its_callers_trace(
    api: ApiUnderTest, spans: InMemorySpanExporter
) -> None:
    place(api)
    api.close()
    request, order = named(spans, "POST /v1/api/order"), named(spans, "place order")
    assert request.kind is SpanKind.SERVER
    assert request.parent is not None
    assert f"{request.context.trace_id:032x}" == TRACE
    assert f"{request.parent.span_id:016x}" == CALLER
    assert dict(request.attributes or {})["http.response.status_code"] == 202
    assert order.parent is not None
    assert order.parent.span_id == request.context.span_id


def test_a_batch_and_its_orders_know_of_each_other(
    api: ApiUnderTest, spans: InMemorySpanExporter
) -> None:
    place(api)
    api.close()
    request, order = named(spans, "POST /v1/api/order"), named(spans, "place order")
    together = named(spans, "place orders")
    assert together.parent is None
    assert [link.context.span_id for link in together.links] == [request.context.span_id]
    assert [link.context.span_id for link in order.links] == [together.context.span_id]


def test_the_trace_travels_with_the_message(api: ApiUnderTest, spans: InMemorySpanExporter) -> None:
    place(api)
    place(api, "")
    sent = bodies(api)
    orders = [order_id for body in sent for order_id in decode(body)]
    traces = traces_of(sent)
    assert list(traces) == orders
    assert [TRACE in trace for trace in traces.values()] == [True, False]


def publish_traced(shop: Shop, order_id: UUID) -> None:
    """In the place of the message that announces the order without its trace."""
    shop.bus.consume().receive(1, 1)
    shop.bus.publish([encode((order_id,), {order_id: TRACEPARENT})])


def test_a_worker_goes_on_with_each_orders_trace(spans: InMemorySpanExporter) -> None:
    shop = Shop()
    order_id = shop.place()
    publish_traced(shop, order_id)
    shop.step(shop.worker())
    order = named(spans, "fulfil order")
    assert order.kind is SpanKind.CONSUMER
    assert f"{order.context.trace_id:032x}" == TRACE
    assert order.status.status_code is StatusCode.UNSET
    named(spans, "fulfil orders")


def test_an_order_that_fails_says_so_in_its_trace(spans: InMemorySpanExporter) -> None:
    shop = Shop()
    shop.stock("cup", 5)
    order_id = shop.place("cup", 5)
    shop.lose("cup", 3)
    publish_traced(shop, order_id)
    shop.step(shop.worker())
    order = named(spans, "fulfil order")
    assert order.status.status_code is StatusCode.ERROR
    assert order.events[0].name == "exception"


def test_an_order_that_is_to_be_tried_alone_keeps_its_trace(spans: InMemorySpanExporter) -> None:
    shop = Shop()
    shop.stock("cup", 5)
    good, bad = shop.place_together(("tea", 1), ("cup", 5))
    shop.lose("cup", 3)
    shop.bus.consume().receive(1, 1)
    shop.bus.publish([encode((good, bad), {bad: TRACEPARENT})])
    shop.step(shop.worker())
    with shop.bus.consume() as consumer:
        [alone] = consumer.receive(9, 1)
    assert traces_of([alone.body]) == {bad: TRACEPARENT}


def test_a_hold_that_is_ordered_goes_on_with_the_trace_of_that_request(
    api: ApiUnderTest, spans: InMemorySpanExporter
) -> None:
    held = api.client.post("/v1/api/hold", json={"product_id": "BOLT", "quantity": 1, "seconds": 9})
    order_id = UUID(json.loads(held.text)["id"])
    assert traces_of(bodies(api)) == {}
    answer = api.client.post(f"/v1/api/hold/{order_id}/order", headers={"traceparent": TRACEPARENT})
    assert answer.status_code == 202
    request = named(spans, "POST /v1/api/hold/<uuid:order_id>/order")
    trace = f"00-{TRACE}-{request.context.span_id:016x}-01"
    assert traces_of(bodies(api)) == {order_id: trace}


def test_an_order_that_is_announced_again_goes_on_with_the_trace_of_that_request(
    api: ApiUnderTest, spans: InMemorySpanExporter
) -> None:
    order = api.shop.accepted(BOLT=1)
    page = f"/dashboard/orders/{order.id}/announce"
    [key] = re.findall(r'name="key" value="(\w+)"', api.client.get(page).text)
    bodies(api)
    api.client.post(
        page,
        data={"key": key},
        headers={"traceparent": TRACEPARENT, "Sec-Fetch-Site": "same-origin"},
    )
    assert [TRACE in trace for trace in traces_of(bodies(api)).values()] == [True]


@pytest.mark.parametrize(
    "body",
    [
        b"\xff",
        b"[]",
        b"{}",
        b'{"traces": 1}',
        b'{"traces": {"x": "y"}}',
        b'{"traces": {"00000000-0000-7000-8000-000000000001": 1}}',
    ],
)
def test_traces_that_make_no_sense_are_none(body: bytes) -> None:
    assert traces_of([body]) == {}


def test_a_traceparent_that_makes_no_sense_begins_a_trace(
    api: ApiUnderTest, spans: InMemorySpanExporter
) -> None:
    place(api, "00-nonsense")
    assert named(spans, "POST /v1/api/order").parent is None


def test_lines_of_the_log_name_the_trace(spans: InMemorySpanExporter) -> None:
    span = request_span("GET", {"traceparent": TRACEPARENT})
    assert span is not None
    with span:
        event = _add_trace(None, "info", {"event": "said"})
    assert event["trace_id"] == TRACE
    assert len(event["span_id"]) == 16


def test_nothing_is_traced_unless_it_is_wanted(api: ApiUnderTest) -> None:
    place(api)
    assert traces_of(bodies(api)) == {}
    assert request_span("GET", {}) is None
    assert _add_trace(None, "info", {"event": "said"}) == {"event": "said"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://x"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_it_is_wanted_where_there_is_somewhere_to_send_it(
    environment: dict[str, str], expected: bool
) -> None:
    assert is_wanted(environment) is expected

"""Traces over all processes, to a collector."""

from __future__ import annotations

import json

import httpx

from collector import collector
from service import Service, eventually

PRODUCT = "sku-espresso-beans"
TRACE = "0af7651916cd43dd8448eb211c80319c"


def test_a_trace_goes_from_the_request_through_broker_and_worker_to_the_fulfilment(
    distributed: Service,
) -> None:
    with collector() as (url, spans):
        distributed.environment |= {
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "LOG_LEVEL": "debug",
        }
        assert distributed.call("migrate").returncode == 0
        assert distributed.call("seed").returncode == 0
        distributed.start("api")
        distributed.start("worker")
        distributed.wait_until_ready()
        answer = httpx.post(
            f"{distributed.api}/order",
            json={"product_id": PRODUCT, "quantity": 1},
            headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"},
        )
        assert answer.status_code == httpx.codes.ACCEPTED

        def of_the_trace() -> set[tuple[str, str]]:
            return {(span.service, span.name) for span in spans if span.trace_id == TRACE}

        eventually(lambda: "fulfil order" in {name for _, name in of_the_trace()})
        eventually(lambda: len(of_the_trace()) == 4)
        assert of_the_trace() == {
            ("order-aggregator-api", "POST /v1/api/order"),
            ("order-aggregator-api", "place order"),
            ("order-aggregator-api", "send order"),
            ("order-aggregator-worker", "fulfil order"),
        }
    lines = [json.loads(line) for line in distributed.said().splitlines() if TRACE in line]
    assert all(line["trace_id"] == TRACE and line["span_id"] for line in lines)


def test_a_collector_that_is_away_stops_nothing(embedded: Service) -> None:
    embedded.environment |= {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
    }
    embedded.start("run")
    embedded.wait_until_ready()
    assert embedded.order(PRODUCT).status_code == httpx.codes.ACCEPTED
    embedded.wait_until_settled()

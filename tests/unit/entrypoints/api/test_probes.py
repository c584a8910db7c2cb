"""Health, readiness and figures."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Never

import attrs
import pytest
from prometheus_client.parser import text_string_to_metric_families

from api_under_test import ApiUnderTest
from order_aggregator import __version__
from order_aggregator.domain.errors import BrokerUnavailable
from order_aggregator.entrypoints.api.app import create_app
from order_aggregator.testing.shop import Feed, snapshot


def test_it_lives(api: ApiUnderTest) -> None:
    assert api.client.get("/healthz").get_json() == {"status": "ok"}


def test_it_is_ready_when_every_check_passes(api: ApiUnderTest) -> None:
    answer = api.client.get("/readyz")
    assert answer.status_code == 200
    assert answer.get_json() == {"status": "ready", "checks": {"database": "ok"}}


def away() -> Never:
    raise BrokerUnavailable("no route")


def test_without_the_broker_it_is_degraded_as_orders_are_accepted(api: ApiUnderTest) -> None:
    api.checks["broker"] = away
    answer = api.client.get("/readyz")
    assert answer.status_code == 200
    assert answer.get_json() == {
        "status": "degraded",
        "checks": {"database": "ok", "broker": "unreachable: no route"},
    }


def test_without_the_database_it_is_not_ready_but_lives_on(api: ApiUnderTest) -> None:
    api.checks |= {"database": away, "broker": lambda: None}
    answer = api.client.get("/readyz")
    assert (answer.status_code, answer.content_type) == (503, "application/problem+json")
    assert answer.headers["Retry-After"] in ("1", "2", "3")
    assert answer.get_json()["detail"] == "database unreachable: no route"
    assert answer.get_json()["checks"] == {"database": "unreachable: no route", "broker": "ok"}
    assert api.client.get("/healthz").status_code == 200


def figures(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def figure(api: ApiUnderTest, name: str, **labels: str) -> float:
    return figures(api.client.get("/metrics").text).get((name, frozenset(labels.items())), 0.0)


def test_requests_are_counted_by_rule_not_by_path(api: ApiUnderTest) -> None:
    rule = "/v1/api/stock/<product:product_id>"
    labels = {"method": "GET", "route": rule}
    before = figure(api, "order_api_requests_total", **labels, status="200")
    api.get("/stock/BOLT")
    api.get("/stock/NUT")
    assert figure(api, "order_api_requests_total", **labels, status="200") == before + 2
    assert figure(api, "order_api_request_seconds_count", **labels) >= before + 2


def test_paths_and_methods_of_anybodys_making_do_not_become_labels(api: ApiUnderTest) -> None:
    api.client.get("/secret-path")
    api.client.open("/v1/api/stock", method="NONSENSE")
    text = api.client.get("/metrics").text
    assert "secret-path" not in text
    assert "NONSENSE" not in text


def test_orders_are_counted_by_outcome(api: ApiUnderTest) -> None:
    kinds = (
        *("accepted", "repeated"),
        *("insufficient_stock", "unknown_product", "idempotency_key_reused"),
    )
    before = {kind: figure(api, "order_api_orders_total", outcome=kind) for kind in kinds}
    batches = figure(api, "order_api_batch_size_count")
    for product_id, quantity, key in (
        ("BOLT", 1, "key"),
        ("BOLT", 1, "key"),
        ("BOLT", 2, "key"),
        ("BOLT", 999, None),
        ("nope", 1, None),
    ):
        api.order({"product_id": product_id, "quantity": quantity}, key)
    api.close()
    after = {kind: figure(api, "order_api_orders_total", outcome=kind) for kind in kinds}
    assert {kind: after[kind] - before[kind] for kind in kinds} == dict.fromkeys(kinds, 1.0)
    assert figure(api, "order_api_batch_size_count") == batches + 5


def test_a_vendors_figures_are_those_that_are_stored(api: ApiUnderTest) -> None:
    api.shop.pass_time(minutes=1)
    old = snapshot("acme", {"BOLT": 1}, api.shop.clock.now() - timedelta(hours=1))
    api.gateways["acme"] = Feed(old)
    assert api.client.post("/v1/api/vendor/acme/sync").status_code == 409
    acme = {"vendor_id": "acme"}
    assert figure(api, "order_vendor_outdated_reports_total", **acme) == 1
    assert figure(api, "order_vendor_failures", **acme) == 1
    assert figure(api, "order_vendor_products", **acme) == 3
    assert figure(api, "order_vendor_reported_timestamp_seconds", **acme) > 1e9
    assert figure(api, "order_vendor_enabled", vendor_id="bits/co") == 1


def test_what_is_under_way_is_told(api: ApiUnderTest) -> None:
    api.order({"product_id": "BOLT", "quantity": 1})
    api.shop.bus.publish([b"1", b"2"])
    assert figure(api, "order_pending_orders", status="reserved") == 1
    assert figure(api, "order_pending_oldest_age_seconds", status="reserved") > 0
    assert figure(api, "order_outbox_messages") == 1
    assert figure(api, "order_queue_messages") == 2
    assert figure(api, "order_scrape_error", source="database") == 0


def test_what_does_not_answer_is_left_out_and_said(api: ApiUnderTest) -> None:
    api.services = attrs.evolve(api.services, queue_depth=away)
    told = figures(create_app(api.services).test_client().get("/metrics").text)
    assert told["order_scrape_error", frozenset({("source", "broker")})] == 1
    assert told["order_scrape_error", frozenset({("source", "database")})] == 0
    assert ("order_queue_messages", frozenset()) not in told
    assert ("order_outbox_messages", frozenset()) in told


WORKER = """
from prometheus_client import CollectorRegistry
from order_aggregator.entrypoints.api import metrics
metrics.ORDERS.labels("accepted").inc(2)
metrics.WAITING.set(5)
print(metrics.exposition(CollectorRegistry()).decode())
"""


def test_the_version_is_a_figure(api: ApiUnderTest) -> None:
    labels = {"version": __version__, "python": platform.python_version()}
    assert figure(api, "order_aggregator_build_info", **labels) == 1


@pytest.mark.parametrize("workers", [3])
def test_several_processes_answer_for_all_and_the_dead_wait_for_nothing(
    tmp_path: Path, workers: int
) -> None:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for number in range(1, workers + 1):
        answer = subprocess.run(
            [sys.executable, "-c", WORKER],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        found = figures(answer.stdout)
        assert found["order_api_orders_total", frozenset({("outcome", "accepted")})] == 2 * number
        assert found["order_api_orders_waiting", frozenset()] == 5
        assert "order_aggregator_build_info" in {name for name, _ in found}
        assert found["process_resident_memory_bytes", frozenset()] > 1e6

"""Metrics of all processes, and the alerts and the dashboard that are made of them."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping

import httpx
import pytest

from monitoring import PROMETHEUS, alerts, documented, expressions, families, names_in, queried
from ports import free_ports
from service import Service, eventually

PRODUCT = "sku-espresso-beans"


def check(promtool: str, *arguments: str, text: str = "") -> None:
    answer = subprocess.run(
        [promtool, *arguments],
        cwd=PROMETHEUS,
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_each_alert_fires_when_it_should_and_not_before(promtool: str) -> None:
    check(promtool, "check", "rules", "alerts.yml")
    check(promtool, "test", "rules", "alerts_test.yml")


def test_the_sample_configuration_is_one(promtool: str) -> None:
    check(promtool, "check", "config", "prometheus.yml")


def scrape(url: str) -> str:
    return httpx.get(f"{url}/metrics", timeout=20).raise_for_status().text


def is_alive(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=20).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def start_monitored(service: Service, *command: str) -> str:
    """Start a command, and return where its metrics are once they are there."""
    port = free_ports()
    service.environment["METRICS_PORT"] = str(port)
    service.start(*command)
    url = f"http://127.0.0.1:{port}"
    eventually(lambda: is_alive(url), 40, f"{command} serves its metrics")
    return url


@pytest.fixture
def urls(distributed: Service) -> Mapping[str, str]:
    """Where the processes of a deployment with PostgreSQL and RabbitMQ have their metrics."""
    distributed.start("mock-vendors")
    distributed.environment["EVENTS_EXCHANGE"] = "order_aggregator.events"
    # Alive before there is anything to work on.
    found = {"worker": start_monitored(distributed, "worker")}
    assert distributed.call("migrate").returncode == 0
    found["sync"] = start_monitored(distributed, "sync", "--every", "60")
    found["relay"] = start_monitored(distributed, "relay")
    distributed.start("api")
    distributed.wait_until_ready()
    return {**found, "api": distributed.root}


def test_every_process_tells_what_it_does(
    distributed: Service, urls: Mapping[str, str], promtool: str
) -> None:
    eventually(lambda: distributed.stock(PRODUCT)["available"] > 0)
    assert distributed.order(PRODUCT).status_code == httpx.codes.ACCEPTED
    distributed.wait_until_settled()
    eventually(lambda: "order_fulfilment_seconds_count 1.0" in scrape(urls["worker"]))
    eventually(lambda: "order_queue_consumers 1.0" in scrape(urls["api"]), 30)
    told = {name: scrape(url) for name, url in urls.items()}
    for text in told.values():
        check(promtool, "check", "metrics", text=text)
        assert "order_aggregator_build_info{" in text
        assert "process_resident_memory_bytes" in text
        assert "order_database_connections_limit" in text
    metrics = {key: kind for text in told.values() for key, kind in families(text).items()}
    assert {name for name in metrics if name.startswith("order_")} == documented()
    known = queried(metrics)
    named = {name for expression in expressions() for name in names_in(expression)}
    assert named - known == set()


def test_without_database_and_broker_what_is_known_is_told(
    distributed: Service, promtool: str
) -> None:
    nobody = free_ports()
    distributed.environment |= {
        "DATABASE_URL": f"postgresql://postgres@127.0.0.1:{nobody}/x",
        "BROKER_URL": f"amqp://127.0.0.1:{nobody}",
    }
    worker = start_monitored(distributed, "worker")
    distributed.start("api")
    eventually(lambda: is_alive(distributed.root), 40)
    told = scrape(distributed.root)
    assert 'order_scrape_error{source="database"} 1.0' in told
    assert 'order_scrape_error{source="broker"} 1.0' in told
    check(promtool, "check", "metrics", text=told)
    check(promtool, "check", "metrics", text=scrape(worker))


def test_run_has_ports_for_its_worker_and_for_itself(embedded: Service) -> None:
    port = free_ports()
    embedded.environment["METRICS_PORT"] = str(port)
    embedded.start("run")
    embedded.wait_until_ready()
    eventually(lambda: is_alive(f"http://127.0.0.1:{port}"), 40)
    assert "order_worker_fulfilled_orders_total" in scrape(f"http://127.0.0.1:{port}")
    assert "order_syncs_total" in scrape(f"http://127.0.0.1:{port + 1}")


@pytest.mark.parametrize("offset", [0, -1])
def test_run_refuses_a_port_for_metrics_that_it_needs_itself(
    embedded: Service, offset: int
) -> None:
    embedded.environment["METRICS_PORT"] = str(int(embedded.environment["PORT"]) + offset)
    refused = embedded.call("run")
    assert refused.returncode == 1
    assert "METRICS_PORT: `run` takes " in refused.stderr


def test_every_alert_is_tested_and_says_what_to_do() -> None:
    tests = (PROMETHEUS / "alerts_test.yml").read_text()
    for alert in alerts():
        assert f'alertname="{alert["alert"]}"' in tests
        assert alert["labels"]["severity"] in ("critical", "warning", "info")
        assert {"summary", "description"} <= alert["annotations"].keys()

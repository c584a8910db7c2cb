"""`/readyz` and `order-aggregator status` tell what is wrong, and what to do."""

from __future__ import annotations

import json

import httpx
import pytest

from service import Service, eventually, stop


@pytest.fixture
def service(embedded: Service) -> Service:
    embedded.environment["BACKLOG_LIMIT"] = "0.1"
    for command in ("migrate", "seed"):
        assert embedded.call(command).returncode == 0
    return embedded


def _work(service: Service) -> str:
    checks: dict[str, str] = httpx.get(f"{service.root}/readyz", timeout=10).json()["checks"]
    return checks["work"]


def test_it_is_degraded_without_a_worker_and_ready_with_one(service: Service) -> None:
    service.start("api")
    service.wait_until_ready()
    assert service.order("sku-espresso-beans").status_code == 202
    eventually(lambda: "the oldest for" in _work(service))
    assert _work(service).startswith("no worker is alive: start `order-aggregator worker`; orders")
    seen = service.call("status")
    assert seen.returncode == 1, seen.stderr
    assert "! no worker is alive: start `order-aggregator worker`" in seen.stdout.splitlines()
    worker = service.start("worker")
    eventually(lambda: _work(service) == "ok")
    seen = service.call("status")
    assert seen.returncode == 0, seen.stdout + seen.stderr
    assert seen.stdout.splitlines()[-1] == "everything is well"
    told = json.loads(service.call("status", "--json").stdout)
    assert {each["kind"] for each in told["processes"]} == {"api", "worker"}
    assert all(each["alive"] for each in told["processes"])
    assert (told["problems"], told["workload"]["untried"]["count"]) == ([], 0)
    # One that ends in good order is gone at once.
    assert stop(worker) == 0
    assert _work(service).startswith("no worker is alive")

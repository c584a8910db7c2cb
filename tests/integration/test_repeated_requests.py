"""Requests that are repeated, over real sockets to several processes."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from service import Service, eventually

TIMES = 100


@pytest.fixture
def running(service: Service) -> Service:
    """With two API processes."""
    service.start("run")
    service.wait_until_ready()
    eventually(lambda: any(level["available"] > 50 for level in service.get("/stock")))
    return service


def _at_once(
    url: str, body: object, key: str, method: str = "POST", times: int = TIMES
) -> list[httpx.Response]:
    # A connection for each, so that both processes are asked.
    apart = httpx.Limits(max_connections=times, max_keepalive_connections=0)
    with httpx.Client(limits=apart, timeout=30) as client, ThreadPoolExecutor(times) as pool:
        asked = [
            pool.submit(client.request, method, url, json=body, headers={"Idempotency-Key": key})
            for _ in range(times)
        ]
        return [each.result() for each in asked]


def _one_effect(service: Service, what: str, product_id: str) -> str:
    """The id of the one order that a hundred requests make."""
    url = f"{service.api}/{what}"
    answers = _at_once(url, {"product_id": product_id, "quantity": 2}, f"{what}-once")
    assert {answer.status_code for answer in answers} == {202 if what == "order" else 201}
    [body] = {answer.content for answer in answers}
    replayed = [answer for answer in answers if "Idempotent-Replayed" in answer.headers]
    assert len(replayed) == TIMES - 1
    other = httpx.post(
        url,
        json={"product_id": product_id, "quantity": 3},
        headers={"Idempotency-Key": f"{what}-once"},
    )
    assert other.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    return str(json.loads(body)["id"])


def test_a_hundred_requests_at_once_with_one_key_have_one_effect(running: Service) -> None:
    product = max(running.get("/stock"), key=lambda level: level["available"])["product_id"]
    order_id, hold_id = (_one_effect(running, what, product) for what in ("order", "hold"))
    assert {order["id"] for order in running.get("/order")} == {order_id, hold_id}
    line = {"lines": [{"product_id": product, "quantity": 1}]}
    answers = _at_once(f"{running.api}/order/{hold_id}/cancel", line, "cancel-once")
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    held = next(order for order in running.get("/order") if order["id"] == hold_id)
    assert held["lines"][0]["cancelled"] == 1


def test_whatever_changes_something_is_done_once(running: Service) -> None:
    product, vendor = (running.get(f"/{what}")[0] for what in ("stock", "vendor"))
    product_url = f"{running.api}/product/{product['product_id']}"
    hold = {"product_id": product["product_id"], "quantity": 1}
    hold_id = httpx.post(f"{running.api}/hold", json=hold).json()["id"]
    hook = {"url": "https://shop.example/hook"}
    hook_id = httpx.post(f"{running.api}/webhook", json=hook).json()["id"]
    calls = [
        ("DELETE", f"/hold/{hold_id}", None, TIMES),
        ("PUT", f"/product/{product['product_id']}", {"low_at": 1}, TIMES),
        ("POST", "/webhook", hook, TIMES),
        ("POST", f"/webhook/{hook_id}/replay", {}, TIMES),
        ("DELETE", f"/webhook/{hook_id}", None, TIMES),
        ("POST", f"/vendor/{vendor['vendor_id']}/disable", None, TIMES),
        ("POST", f"/vendor/{vendor['vendor_id']}/enable", None, TIMES),
        # Each asks all vendors.
        ("POST", "/sync", None, 4),
    ]
    for method, path, body, times in calls:
        key = f"{method} {path}"
        answers = _at_once(running.api + path, body, key, method, times)
        assert {answer.is_success for answer in answers} == {True}, (key, answers)
        assert len({answer.content for answer in answers}) == 1, key
        replayed = [answer for answer in answers if "Idempotent-Replayed" in answer.headers]
        assert len(replayed) == times - 1, key
        other = {"Idempotency-Key": key}
        used = httpx.put(product_url, json={"low_at": 9}, headers=other)
        assert used.status_code == httpx.codes.UNPROCESSABLE_ENTITY, key
    assert len(running.get("/webhook")) == 1

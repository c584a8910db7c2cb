"""Stock in, order in, order fulfilled: over HTTP, on the service's own processes."""

from __future__ import annotations

from collections import Counter
from http import HTTPStatus

from order_aggregator.entrypoints.demo.seed import seed_snapshots
from service import Service, eventually

SCARCE_UNITS = 50


def scarce_product(service: Service) -> str:
    """The product of which all vendors together have 50 units."""
    [product_id] = [
        level["product_id"] for level in service.get("/stock") if level["on_hand"] == SCARCE_UNITS
    ]
    return str(product_id)


def test_stock_is_the_sum_over_the_vendors(service: Service) -> None:
    expected: Counter[str] = Counter()
    for snapshot in seed_snapshots():
        for report in snapshot.reports:
            expected[report.product_id] += report.quantity
    levels = service.get("/stock")
    assert {level["product_id"]: level["available"] for level in levels} == expected
    by_product: Counter[str] = Counter()
    for level in service.get("/vendor-stock", page_size="100"):
        by_product[level["product_id"]] += level["available"]
    assert by_product == expected


def test_an_order_is_fulfilled_within_a_second_and_stock_falls_by_its_quantity(
    service: Service,
) -> None:
    product_id = scarce_product(service)
    answer = service.order(product_id, 3)
    assert answer.status_code == HTTPStatus.ACCEPTED
    order = answer.json()
    assert answer.headers["Location"] == f"/v1/api/order/{order['id']}"
    assert order["status"] == "reserved"
    eventually(
        lambda: service.get(f"/order/{order['id']}")["status"] == "fulfilled", 1.0, "fulfilled"
    )
    stock = service.stock(product_id)
    assert (stock["on_hand"], stock["reserved"]) == (SCARCE_UNITS - 3, 0)
    assert sum(vendor["available"] for vendor in stock["vendors"]) == SCARCE_UNITS - 3
    [line] = service.get(f"/order/{order['id']}")["lines"]
    assert sum(part["quantity"] for part in line["allocations"]) == 3
    service.verify()


def test_500_buyers_of_50_units_are_50_accepted_and_450_refused(service: Service) -> None:
    product_id = scarce_product(service)
    answers = service.order_at_once(product_id, buyers=500)
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses == {HTTPStatus.ACCEPTED: 50, HTTPStatus.CONFLICT: 450}
    service.wait_until_settled()
    fulfilled = service.get("/order", status="fulfilled", page_size="100")
    assert len(fulfilled) == 50
    stock = service.stock(product_id)
    assert (stock["on_hand"], stock["reserved"], stock["available"]) == (0, 0, 0)
    assert [vendor["available"] for vendor in stock["vendors"]] == [0, 0, 0]
    service.verify()


def test_a_sync_after_orders_does_not_bring_sold_stock_back(service: Service) -> None:
    product_id = scarce_product(service)
    assert service.order(product_id, 7).status_code == HTTPStatus.ACCEPTED
    service.wait_until_settled()
    assert service.call("sync").returncode == 0
    assert service.stock(product_id)["on_hand"] == SCARCE_UNITS - 7
    service.verify()


def test_an_idempotency_key_makes_one_order_of_many_posts(service: Service) -> None:
    product_id = scarce_product(service)
    answers = [service.order(product_id, 2, key="buy-once") for _ in range(5)]
    assert {answer.status_code for answer in answers} == {HTTPStatus.ACCEPTED}
    assert len({answer.json()["id"] for answer in answers}) == 1
    service.wait_until_settled()
    assert service.stock(product_id)["on_hand"] == SCARCE_UNITS - 2
    reused = service.order(product_id, 3, key="buy-once")
    assert reused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY

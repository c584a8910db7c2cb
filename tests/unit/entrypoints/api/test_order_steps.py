"""Cancelling orders and taking them back, over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from api_under_test import ApiUnderTest
from order_aggregator.domain.order import Order

UNKNOWN = "01890a5d-ac96-774b-bcce-b302099a8057"


def _placed(api: ApiUnderTest, quantity: int = 3) -> str:
    answer = api.order({"product_id": "NUT", "quantity": quantity})
    assert answer.status_code == 202
    order_id: str = answer.get_json()["id"]
    return order_id


def _fulfilled(api: ApiUnderTest) -> str:
    order_id = _placed(api)
    [outcome] = api.shop.fulfil(api.shop.order(UUID(order_id)))
    assert isinstance(outcome, Order)
    return order_id


def _post(api: ApiUnderTest, order_id: str, step: str, body: Any = None, **headers: str) -> Any:
    return api.client.post(f"/v1/api/order/{order_id}/{step}", json=body, headers=headers)


def test_an_order_is_cancelled_and_cancelled_again(api: ApiUnderTest) -> None:
    order_id = _placed(api, 4)
    cancelled = _post(api, order_id, "cancel")
    assert (cancelled.status_code, cancelled.get_json()["status"]) == (200, "cancelled")
    assert api.get("/stock/NUT").get_json()["available"] == 4
    assert _post(api, order_id, "cancel").get_json() == cancelled.get_json()
    assert api.get(f"/order/{order_id}").get_json() == cancelled.get_json()


def test_what_is_fulfilled_can_no_longer_be_cancelled(api: ApiUnderTest) -> None:
    answer = _post(api, _fulfilled(api), "cancel")
    assert answer.status_code == 409
    assert answer.get_json()["type"].endswith(":no-such-step")
    assert "is fulfilled: cannot be cancelled" in answer.get_json()["detail"]


@pytest.mark.parametrize("step", ["cancel", "return"])
def test_an_order_that_there_is_not(api: ApiUnderTest, step: str) -> None:
    assert _post(api, UNKNOWN, step, {}).status_code == 404
    assert _post(api, "nonsense", step, {}).status_code == 404


def test_a_part_comes_back_once_for_a_key(api: ApiUnderTest) -> None:
    order_id = _fulfilled(api)
    body = {"lines": [{"product_id": " NUT ", "quantity": 1}]}
    first = _post(api, order_id, "return", body, **{"Idempotency-Key": "rma"})
    assert first.status_code == 200, first.text
    [part] = first.get_json()["lines"][0]["allocations"]
    assert (part["quantity"], part["returned"], first.get_json()["status"]) == (3, 1, "fulfilled")
    again = _post(api, order_id, "return", body, **{"Idempotency-Key": "rma"})
    assert (again.get_json(), again.headers["Idempotent-Replayed"]) == (first.get_json(), "true")
    assert api.get("/stock/NUT").get_json()["available"] == 2


def test_all_of_it_comes_back_but_not_on_sale(api: ApiUnderTest) -> None:
    order_id = _fulfilled(api)
    answer = _post(api, order_id, "return", {"restock": False})
    assert answer.get_json()["status"] == "returned"
    assert api.get("/stock/NUT").get_json()["available"] == 1
    assert [o["id"] for o in api.get("/order", status="returned").get_json()] == [order_id]
    assert _post(api, order_id, "return", {}).status_code == 409


def test_more_than_was_supplied_is_refused(api: ApiUnderTest) -> None:
    body = {"lines": [{"product_id": "NUT", "quantity": 4}]}
    answer = _post(api, _fulfilled(api), "return", body)
    assert answer.status_code == 409
    assert answer.get_json()["type"].endswith(":return-refused")
    assert answer.get_json()["detail"] == "NUT: 4 to return, but 3 can come back"


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ([], ["body"]),
        ({"restock": "no"}, ["restock"]),
        ({"note": 1}, ["note"]),
        ({"lines": []}, ["lines"]),
        ({"lines": None}, ["lines"]),
        ({"lines": [5]}, ["lines.0"]),
        ({"lines": [{"product_id": "NUT"}]}, ["lines.0.quantity"]),
        (
            {"lines": [{"product_id": "", "quantity": 0, "vendor_id": None, "x": 1}]},
            ["lines.0.x", "lines.0.product_id", "lines.0.quantity", "lines.0.vendor_id"],
        ),
    ],
)
def test_a_bad_return_names_its_fields(api: ApiUnderTest, body: Any, fields: list[str]) -> None:
    answer = _post(api, _fulfilled(api), "return", body)
    assert (answer.status_code, list(answer.get_json()["errors"])) == (422, fields)


def test_lines_of_the_same_product_are_one(api: ApiUnderTest) -> None:
    line = {"product_id": "NUT", "quantity": 1}
    answer = api.order({"lines": [line, {"product_id": "BOLT", "quantity": 1}, line]})
    assert answer.status_code == 202
    lines = [(one["product_id"], one["quantity"]) for one in answer.get_json()["lines"]]
    assert lines == [("NUT", 2), ("BOLT", 1)]
    short = api.order({"lines": [line | {"quantity": 2}, line | {"quantity": 2}]})
    assert short.status_code == 409
    assert short.get_json()["shortages"] == [{"product_id": "NUT", "requested": 4, "available": 2}]
    many = api.order({"lines": [line | {"quantity": 10**9}] * 2})
    assert many.status_code == 422

"""Holds, shortage and cancelling of units, over HTTP."""

from __future__ import annotations

import pytest

from api_under_test import ApiUnderTest

HOLD = {"lines": [{"product_id": "BOLT", "quantity": 3}], "seconds": 60}


def _hold(api: ApiUnderTest) -> str:
    answer = api.client.post("/v1/api/hold", json=HOLD)
    assert answer.status_code == 201
    held = answer.get_json()
    assert answer.headers["Location"] == f"/v1/api/order/{held['id']}"
    assert (held["status"], held["expires_at"]) == ("held", "2026-01-01T00:01:00.000000+00:00")
    return str(held["id"])


def test_a_hold_is_ordered_under_its_id(api: ApiUnderTest) -> None:
    hold_id = _hold(api)
    assert api.get("/stock/BOLT").get_json()["available"] == 12
    for replayed in (None, "true"):
        answer = api.client.post(f"/v1/api/hold/{hold_id}/order")
        assert (answer.status_code, answer.get_json()["status"]) == (202, "reserved")
        assert answer.headers.get("Idempotent-Replayed") == replayed


def test_a_hold_that_is_over_is_said_to_be(api: ApiUnderTest) -> None:
    hold_id = _hold(api)
    api.shop.pass_time(minutes=2)
    assert api.get("/stock/BOLT").get_json()["available"] == 15
    late = api.client.post(f"/v1/api/hold/{hold_id}/extend", json={"seconds": 60})
    assert (late.status_code, late.get_json()["type"]) == (
        409,
        "urn:order-aggregator:problem:hold-expired",
    )
    assert api.order({"product_id": "BOLT", "quantity": 15}).status_code == 202
    assert api.client.post(f"/v1/api/hold/{hold_id}/order").status_code == 409


def test_a_hold_is_extended_and_given_up(api: ApiUnderTest) -> None:
    hold_id = _hold(api)
    extended = api.client.post(f"/v1/api/hold/{hold_id}/extend", json={"seconds": 3600})
    assert extended.get_json()["expires_at"] == "2026-01-01T01:00:00.000000+00:00"
    for _ in range(2):
        assert api.client.delete(f"/v1/api/hold/{hold_id}").status_code == 204
    assert api.get("/stock/BOLT").get_json()["available"] == 15


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"seconds": 0}, "seconds"),
        ({"seconds": 86_401}, "seconds"),
        ({"seconds": "60"}, "seconds"),
        ({"seconds": True}, "seconds"),
        ({"on_shortage": "backorder"}, "on_shortage"),
        ({"lines": []}, "lines"),
    ],
)
def test_a_hold_that_makes_no_sense_is_refused(
    api: ApiUnderTest, change: dict[str, object], field: str
) -> None:
    answer = api.client.post("/v1/api/hold", json=HOLD | change)
    assert (answer.status_code, list(answer.get_json()["errors"])) == (422, [field])


@pytest.mark.parametrize(
    ("on_shortage", "status", "cancelled", "backordered"),
    [
        ("backorder", "backordered", 0, 5),
        ("partial", "reserved", 5, 0),
        ("split", "reserved", 5, 0),
    ],
)
def test_what_becomes_of_an_order_for_too_much_is_said(
    api: ApiUnderTest, on_shortage: str, status: str, cancelled: int, backordered: int
) -> None:
    order = api.order({"product_id": "BOLT", "quantity": 20, "on_shortage": on_shortage}).get_json()
    [line] = order["lines"]
    assert (order["status"], line["cancelled"], line["backordered"]) == (
        status,
        cancelled,
        backordered,
    )
    assert (order["rest_id"] is not None) == (on_shortage == "split")
    waits = api.get("/stock/BOLT").get_json()["backordered"]
    assert waits == (0 if on_shortage == "partial" else 5)


def test_an_order_that_waits_says_when_more_is_expected(api: ApiUnderTest) -> None:
    def told(expected_at: str | None) -> None:
        row = {"product_id": "BOLT", "quantity": 5, "expected_at": expected_at}
        assert api.client.patch("/v1/api/vendor/bits/co/stock", json=[row]).status_code == 200

    soon, later = (f"2030-01-0{day}T00:00:00.000000+00:00" for day in (1, 2))
    told(soon)
    wanted = {
        "on_shortage": "backorder",
        "lines": [{"product_id": "BOLT", "quantity": 16}, {"product_id": "NUT", "quantity": 1}],
    }
    answer = api.order(wanted, key="k")
    bolt, nut = answer.get_json()["lines"]
    assert (bolt["expected_at"], "expected_at" in nut) == (soon, False)
    told(later)
    assert api.order(wanted, key="k").data == answer.data
    order_id = answer.get_json()["id"]
    [listed] = api.get("/order").get_json()
    shown = api.get(f"/order/{order_id}").get_json()
    assert [line.get("expected_at") for line in shown["lines"]] == [later, None]
    assert listed == shown
    told(None)
    assert "expected_at" not in api.get(f"/order/{order_id}").get_json()["lines"][0]


def test_a_way_of_being_short_that_is_unknown_is_refused(api: ApiUnderTest) -> None:
    answer = api.order({"product_id": "BOLT", "quantity": 1, "on_shortage": "wait"})
    assert answer.get_json()["errors"] == {
        "on_shortage": ["must be one of fail, backorder, partial, split"]
    }


def test_units_are_cancelled_and_never_more_than_there_are(api: ApiUnderTest) -> None:
    order = api.order({"product_id": "BOLT", "quantity": 5}).get_json()
    path = f"/v1/api/order/{order['id']}/cancel"
    some = api.client.post(path, json={"lines": [{"product_id": "BOLT", "quantity": 2}]})
    assert some.get_json()["lines"][0]["cancelled"] == 2
    more = api.client.post(path, json={"lines": [{"product_id": "BOLT", "quantity": 4}]})
    assert (more.status_code, more.get_json()["type"]) == (
        409,
        "urn:order-aggregator:problem:not-cancellable",
    )
    assert api.client.post(path).get_json()["status"] == "cancelled"
    assert api.shop.balance("BOLT") == (15, 0)


def test_a_product_is_named_and_limited(api: ApiUnderTest) -> None:
    told = {"name": "Bolt M8", "low_at": 3, "backorder_limit": 0}
    answer = api.client.put("/v1/api/product/BOLT", json=told)
    assert {key: answer.get_json()[key] for key in told} == told
    refused = api.order({"product_id": "BOLT", "quantity": 16, "on_shortage": "backorder"})
    assert refused.status_code == 409
    for body, field in (({"low_at": -1}, "low_at"), ({"name": ""}, "name"), ({"x": 1}, "x")):
        wrong = api.client.put("/v1/api/product/BOLT", json=body)
        assert (wrong.status_code, list(wrong.get_json()["errors"])) == (422, [field])
    assert api.client.put("/v1/api/product/PLUM", json={}).status_code == 404


def test_histories_say_what_happened(api: ApiUnderTest) -> None:
    order = api.order({"product_id": "NUT", "quantity": 1}).get_json()
    [step] = api.get(f"/order/{order['id']}/history").get_json()
    assert (step["type"], step["sequence"]) == ("order.reserved", 1)
    assert step["waits_for"].startswith("its message to be sent")
    assert step["data"]["request_id"]
    api.shop.pass_time(seconds=1)
    api.shop.fulfil(*api.shop.storage.read_model.orders(0, 1).items)
    steps = api.get(f"/order/{order['id']}/history").get_json()
    assert [(each["type"], each["waits_for"]) for each in steps] == [
        ("order.reserved", None),
        ("order.fulfilled", None),
    ]
    newest, _ = api.get("/stock/NUT/history").get_json()
    assert (newest["cause"], newest["before"], newest["after"], newest["order_id"]) == (
        "order",
        4,
        3,
        order["id"],
    )
    assert api.get("/stock/PLUM/history").status_code == 404

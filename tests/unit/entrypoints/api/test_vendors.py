"""GET /vendor, and what belongs to a vendor."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from api_under_test import ApiUnderTest
from order_aggregator.domain.errors import Rejection
from order_aggregator.testing.shop import SAME_CLOCK, Feed, snapshot

NEW_YEAR = "2026-01-01T00:00:00.000000+00:00"


def _publish(api: ApiUnderTest, *rejections: Rejection, **quantities: int) -> None:
    api.shop.pass_time(minutes=1)
    feed = snapshot("acme", quantities, api.shop.clock.now())
    terms = attrs.evolve(SAME_CLOCK, max_cut=0.5, max_age=timedelta(hours=1))
    api.gateways["acme"] = Feed(attrs.evolve(feed, rejections=rejections), terms)


def test_vendors_are_listed_by_id(api: ApiUnderTest) -> None:
    answer = api.get("/vendor")
    assert [vendor["vendor_id"] for vendor in answer.get_json()] == ["acme", "bits/co"]
    assert answer.get_json()[1] == {
        "vendor_id": "bits/co",
        "name": "Vendor bits/co",
        "as_of": NEW_YEAR,
        "reported_at": NEW_YEAR,
        "products": 1,
        "rejected": 0,
        "stale": False,
        "retired": False,
        "quarantined_at": None,
    }
    assert '"total": 2' in answer.headers["X-Pagination"]


def test_one_vendor(api: ApiUnderTest) -> None:
    assert api.get("/vendor/bits/co").get_json() == api.get("/vendor").get_json()[1]
    answer = api.get("/vendor/nobody")
    assert answer.status_code == 404


def test_the_bad_rows_of_its_last_report(api: ApiUnderTest) -> None:
    bad = Rejection(place="line 3", product_id=None, field="sku", reason="is missing")
    _publish(api, bad, BOLT=10, NUT=4)
    assert api.client.post("/v1/api/vendor/acme/sync").status_code == 200
    answer = api.get("/vendor/acme/rejections")
    assert answer.get_json() == [
        {"place": "line 3", "product_id": None, "field": "sku", "reason": "is missing"}
    ]
    assert api.get("/vendor/acme").get_json()["rejected"] == 1
    assert api.get("/vendor/bits/co/rejections").get_json() == []
    assert api.get("/vendor/nobody/rejections").status_code == 404


@pytest.mark.parametrize("end", ["approve", "stock", "sync"])
def test_what_belongs_to_a_vendor_is_not_taken_for_one(api: ApiUnderTest, end: str) -> None:
    answer = api.get(f"/vendor/acme/{end}")
    assert answer.status_code == 405
    assert "GET" not in answer.headers["Allow"]


def test_a_report_that_takes_away_much_waits_for_approval(api: ApiUnderTest) -> None:
    assert api.client.post("/v1/api/vendor/acme/approve").status_code == 409
    _publish(api, BOLT=1)
    refused = api.client.post("/v1/api/vendor/acme/sync")
    assert refused.status_code == 409
    assert refused.get_json()["type"].endswith(":quarantined-report")
    [attempt] = [a for a in api.client.post("/v1/api/sync").get_json() if a["error"]]
    assert "waits for approval" in attempt["error"]
    assert api.get("/vendor/acme").get_json()["quarantined_at"]
    approved = api.client.post("/v1/api/vendor/acme/approve")
    assert approved.status_code == 200
    assert api.shop.vendor_units("BOLT")["acme"] == 1
    assert api.get("/vendor/acme").get_json()["quarantined_at"] is None


@pytest.mark.parametrize("vendor_id", ["nobody", "x" * 5000])
def test_nobody_elses_report_can_be_approved(api: ApiUnderTest, vendor_id: str) -> None:
    answer = api.client.post(f"/v1/api/vendor/{vendor_id}/approve")
    assert answer.status_code == 404
    assert answer.get_json()["type"].endswith(":unknown-vendor")


def test_a_silent_vendor_is_shown_as_stale(api: ApiUnderTest) -> None:
    _publish(api, BOLT=10, NUT=4)
    api.client.post("/v1/api/vendor/acme/sync")
    api.shop.pass_time(hours=2)
    api.shop.withhold_stale_stock()
    assert api.get("/vendor/acme").get_json()["stale"]
    level = api.get("/stock/NUT").get_json()
    assert (level["on_hand"], level["stale"], level["available"]) == (4, 4, 0)
    assert level["vendors"][0]["stale"]


def _put(api: ApiUnderTest, vendor_id: str, document: object) -> Any:
    return api.client.put(f"/v1/api/vendor/{vendor_id}/stock", json=document)


def test_a_vendor_tells_its_whole_stock(api: ApiUnderTest) -> None:
    api.shop.pass_time(minutes=1)
    other = {"product_id": "X", "quantity": 1}
    rows = [{"product_id": " BOLT ", "quantity": 4, "name": "Bolt"}, other]
    answer = _put(api, "bits/co", rows)
    assert answer.status_code == 200, answer.text
    assert answer.get_json()["changes"] == [
        {"product_id": "BOLT", "delta": -1},
        {"product_id": "X", "delta": 1},
    ]
    assert _put(api, "bits/co", rows).get_json()["changes"] == []
    assert api.shop.vendor_units("BOLT") == {"acme": 10, "bits/co": 4}
    assert _put(api, "bits/co", [other]).get_json()["changes"] == [
        {"product_id": "BOLT", "delta": -4}
    ]
    assert api.shop.discrepancies() == []


def test_orders_that_it_has_not_counted_are_subtracted(api: ApiUnderTest) -> None:
    api.shop.fulfil(api.shop.accepted(NUT=3))
    _publish(api, BOLT=10, NUT=4)
    assert _put(api, "acme", [{"product_id": "NUT", "quantity": 4}, *_BOLTS]).status_code == 200
    assert api.shop.vendor_units("NUT") == {"acme": 1}
    counted = {"product_id": "NUT", "quantity": 4, "sequence": 3}
    assert _put(api, "acme", [counted, *_BOLTS]).status_code == 200
    assert api.shop.vendor_units("NUT") == {"acme": 4}


_BOLTS = [{"product_id": "BOLT", "quantity": 10}]


def test_what_it_tells_may_have_to_wait_for_approval(api: ApiUnderTest) -> None:
    _publish(api, BOLT=10, NUT=4)
    answer = _put(api, "acme", [])
    assert answer.status_code == 409
    assert answer.get_json()["type"].endswith(":quarantined-report")


def test_a_vendor_of_which_nobody_has_heard_is_not_found(api: ApiUnderTest) -> None:
    answer = _put(api, "nobody", _BOLTS)
    assert answer.status_code == 404
    api.gateways["nobody"] = Feed(snapshot("nobody", {}, api.shop.clock.now()))
    assert _put(api, "nobody", _BOLTS).status_code == 200
    del api.gateways["bits/co"]
    assert _put(api, "bits/co", _BOLTS).status_code == 200


@pytest.mark.parametrize(
    ("document", "errors"),
    [
        ({}, {"body": ["must be an array"]}),
        ([1], {"0": ["must be an object"]}),
        (
            [{"product_id": "a", "quantity": 1, "name": None, "sequence": None}],
            {"0.name": ["must not be null"], "0.sequence": ["must not be null"]},
        ),
        ([{}], {"0.product_id": ["is required"], "0.quantity": ["is required"]}),
        (
            [{"product_id": "", "quantity": -1, "colour": 1}],
            {
                "0.colour": ["unknown field"],
                "0.product_id": ["must have 1 to 100 characters"],
                "0.quantity": ["must be from 0 to 1000000000"],
            },
        ),
        (
            [*_BOLTS, {"product_id": "BOLT ", "quantity": 1}],
            {"1.product_id": ["is at odds with an earlier row"]},
        ),
        (
            [{"product_id": "a", "quantity": 1, "as_of": "2026-01-01", "sequence": -1}],
            {
                "0.as_of": ["must be a moment with a UTC offset"],
                "0.sequence": ["must be a whole number from 0 up"],
            },
        ),
        (
            [{"product_id": "a", "quantity": 1, "as_of": "soon"}],
            {"0.as_of": ["must be a moment with a UTC offset"]},
        ),
    ],
)
def test_every_wrong_field_is_named_and_nothing_changes(
    api: ApiUnderTest, document: object, errors: dict[str, list[str]]
) -> None:
    answer = _put(api, "bits/co", document)
    assert answer.status_code == 422
    assert answer.get_json()["errors"] == errors
    assert api.shop.vendor_units("BOLT")["bits/co"] == 5

"""GET /vendor, and what belongs to a vendor."""

from __future__ import annotations

import re
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
        "enabled": True,
        "attempted_at": NEW_YEAR,
        "next_sync_at": None,
        "problem": None,
        "failures": 0,
        "breaker": "closed",
        "outdated": 0,
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


@pytest.mark.parametrize("end", ["approve", "disable", "enable", "retire", "stock", "sync"])
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


@pytest.mark.parametrize("wrong", ["%00", "x" * 5000, "a%0Ab"])
def test_what_can_be_no_id_is_the_path_of_nothing(api: ApiUnderTest, wrong: str) -> None:
    """On every database: none is asked."""
    ids = re.compile(r"<(id|vendor|product):\w+_id>")
    rules = [rule for rule in api.app.url_map.iter_rules() if ids.search(str(rule))]
    paths = {ids.sub(wrong, str(rule)): rule.methods or () for rule in rules}
    assert len(paths) >= 8
    for path, methods in paths.items():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"}.intersection(methods):
            answer = api.client.open(path, method=method, json={})
            assert answer.status_code in (404, 405), (method, path)


def test_nobody_elses_report_can_be_approved(api: ApiUnderTest) -> None:
    answer = api.client.post("/v1/api/vendor/nobody/approve")
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
            [{"product_id": "a", "quantity": 1, "as_of": "soon", "expected_at": "2026-01-01"}],
            {
                "0.as_of": ["must be a moment with a UTC offset"],
                "0.expected_at": ["must be a moment with a UTC offset"],
            },
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


def _patch(api: ApiUnderTest, *rows: object, key: str | None = None) -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    return api.client.patch("/v1/api/vendor/bits/co/stock", json=[*rows], headers=headers)


def test_a_vendor_tells_of_single_products(api: ApiUnderTest) -> None:
    answer = _patch(
        api,
        {"product_id": "BOLT", "quantity": 7, "expected": 5},
        {"product_id": "NUT", "quantity": 2},
    )
    assert answer.status_code == 200, answer.text
    assert answer.get_json()["changes"] == [
        {"product_id": "BOLT", "delta": 2},
        {"product_id": "NUT", "delta": 2},
    ]
    assert "Idempotent-Replayed" not in answer.headers
    assert api.shop.vendor_units("BOLT") == {"acme": 10, "bits/co": 7}


def _expected(api: ApiUnderTest) -> list[str | None]:
    """When acme and bits/co expect more bolts."""
    vendors = api.get("/stock/BOLT").get_json()["vendors"]
    assert [level["expected_at"] for level in vendors] == [
        level["expected_at"] for level in api.get("/vendor-stock", product_id="BOLT").get_json()
    ]
    return [level["expected_at"] for level in vendors]


def test_a_vendor_says_when_it_expects_more(api: ApiUnderTest) -> None:
    api.shop.pass_time(minutes=1)
    told = {"product_id": "BOLT", "quantity": 5, "expected_at": "2030-01-01T01:00:00+01:00"}
    assert _put(api, "bits/co", [told]).status_code == 200
    shown = "2030-01-01T00:00:00.000000+00:00"
    assert _expected(api) == [None, shown]
    assert _patch(api, {"product_id": "BOLT", "quantity": 4}).status_code == 200
    assert _expected(api) == [None, shown]
    assert _patch(api, told | {"expected_at": None}).status_code == 200
    assert _expected(api) == [None, None]
    _patch(api, told)
    assert _put(api, "bits/co", [told | {"expected_at": None}]).status_code == 200
    assert _expected(api) == [None, None]


def test_a_change_is_made_once_however_often_it_is_told(api: ApiUnderTest) -> None:
    more = {"product_id": "BOLT", "change": 3}
    first = _patch(api, more, key="delivery-1")
    again = _patch(api, more, key="delivery-1")
    assert (first.status_code, again.status_code) == (200, 200)
    assert (first.get_json(), again.headers["Idempotent-Replayed"]) == (again.get_json(), "true")
    assert api.shop.vendor_units("BOLT")["bits/co"] == 8
    other = _patch(api, more, more | {"product_id": "NUT"}, key="delivery-1")
    assert other.status_code == 422
    assert other.get_json()["errors"] == {"Idempotency-Key": ["belongs to an earlier request"]}
    put = api.client.put(
        "/v1/api/vendor/bits/co/stock", json=[], headers={"Idempotency-Key": "delivery-1"}
    )
    assert put.status_code == 422


def test_another_figure_than_the_writer_believes_is_told(api: ApiUnderTest) -> None:
    answer = _patch(
        api,
        {"product_id": "BOLT", "change": -1, "expected": 9},
        {"product_id": "NUT", "quantity": 1, "expected": 1},
        {"product_id": "WASHER", "quantity": 1},
    )
    assert answer.status_code == 409
    assert answer.get_json()["type"].endswith(":stock-changed")
    assert answer.get_json()["conflicts"] == [
        {"product_id": "BOLT", "reported": 5, "expected": 9},
        {"product_id": "NUT", "reported": 0, "expected": 1},
    ]
    assert api.shop.vendor_units("BOLT")["bits/co"] == 5
    below = _patch(api, {"product_id": "BOLT", "change": -6}, key="k")
    assert below.get_json()["conflicts"] == [
        {"product_id": "BOLT", "reported": 5, "expected": None}
    ]


@pytest.mark.parametrize(
    ("row", "errors"),
    [
        ({"product_id": "BOLT"}, {"0.quantity": ["is required"]}),
        (
            {"product_id": "BOLT", "change": 1},
            {"0.change": ["needs an Idempotency-Key, or expected"]},
        ),
        (
            {"product_id": "BOLT", "change": 1, "quantity": 1, "expected": 0},
            {"0.quantity": ["unknown field"]},
        ),
        (
            {"product_id": "BOLT", "change": 1.5, "expected": -1},
            {
                "0.change": ["must be a whole number"],
                "0.expected": ["must be from 0 to 1000000000"],
            },
        ),
        ({"product_id": "BOLT", "quantity": None}, {"0.quantity": ["must not be null"]}),
        (
            {"product_id": "BOLT", "quantity": 1, "expected_at": "soon"},
            {"0.expected_at": ["must be a moment with a UTC offset"]},
        ),
        (
            {"product_id": "BOLT", "quantity": 1, "expected_at": 5},
            {"0.expected_at": ["must be a moment with a UTC offset"]},
        ),
        (5, {"0": ["must be an object"]}),
    ],
)
def test_a_bad_update_names_its_fields(
    api: ApiUnderTest, row: object, errors: dict[str, list[str]]
) -> None:
    answer = _patch(api, row)
    assert (answer.status_code, answer.get_json()["errors"]) == (422, errors)
    twice = {"product_id": "BOLT", "quantity": 1}
    repeated = _patch(api, twice, {"product_id": " BOLT", "quantity": 2}).get_json()
    assert repeated["errors"] == {"1.product_id": ["stands in an earlier row"]}
    assert _patch(api).status_code == 422


def test_its_whole_stock_is_taken_in_once_for_a_key(api: ApiUnderTest) -> None:
    api.shop.pass_time(minutes=1)
    rows = [{"product_id": "BOLT", "quantity": 4}]
    call = "/v1/api/vendor/bits/co/stock"
    first = api.client.put(call, json=rows, headers={"Idempotency-Key": "k"})
    _put(api, "bits/co", [{"product_id": "BOLT", "quantity": 3}])
    late = api.client.put(call, json=rows, headers={"Idempotency-Key": "k"})
    assert late.get_json() == first.get_json()
    assert late.headers["Idempotent-Replayed"] == "true"
    assert api.shop.vendor_units("BOLT")["bits/co"] == 3


def test_a_vendor_is_disabled_and_enabled(api: ApiUnderTest) -> None:
    disabled = api.client.post("/v1/api/vendor/bits/co/disable")
    assert (disabled.status_code, disabled.get_json()["enabled"]) == (200, False)
    synced = [attempt["vendor_id"] for attempt in api.client.post("/v1/api/sync").get_json()]
    assert synced == ["acme"]
    # It can be asked on purpose.
    assert api.client.post("/v1/api/vendor/bits/co/sync").status_code == 200
    assert api.client.post("/v1/api/vendor/bits/co/enable").get_json()["enabled"]
    assert api.client.post("/v1/api/vendor/nobody/enable").status_code == 404


FEED = {"name": "New Co", "type": "http", "url": "http://127.0.0.1:9/", "format": "json"}


def test_a_vendor_is_added_and_retired(api: ApiUnderTest) -> None:
    added = api.client.put("/v1/api/vendor/new/co", json=FEED)
    assert added.status_code == 200, added.text
    status = added.get_json()
    assert (status["vendor_id"], status["name"], status["as_of"]) == ("new/co", "New Co", None)
    assert api.client.post("/v1/api/vendor/new/co/sync").status_code == 502
    failed = api.get("/vendor/new/co").get_json()
    assert "127.0.0.1:9" in failed["problem"]
    assert failed["failures"] == 1
    retired = api.client.post("/v1/api/vendor/new/co/retire")
    assert (retired.status_code, retired.get_json()["retired"]) == (200, True)
    assert api.client.post("/v1/api/vendor/new/co/sync").status_code == 404
    assert api.client.post("/v1/api/vendor/nobody/retire").status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": "x"}, "id"),
        ({"type": "file", "path": "/etc/passwd"}, "type"),
        ({"ids": "/etc/passwd"}, "ids"),
        ({"headers": {"X-Key": {"env": "DATABASE_URL"}}}, "headers"),
        ({"auth": {"type": "basic", "user": "u", "password": {"file": "/x"}}}, "auth"),
        ({"url": "ftp://x"}, "url"),
        ({"format": "pdf"}, "format"),
        ({"surprise": 1}, "'surprise'"),
        ({"body": {"q": "\ud800"}}, "entry"),
    ],
)
def test_an_entry_that_reads_our_files_or_makes_no_sense_is_refused(
    api: ApiUnderTest, change: dict[str, Any], field: str
) -> None:
    answer = api.client.put("/v1/api/vendor/new", json=FEED | change)
    assert (answer.status_code, list(answer.get_json()["errors"])) == (422, [field])
    assert api.get("/vendor/new").status_code == 404
    assert api.client.put("/v1/api/vendor/new", json=[]).status_code == 422

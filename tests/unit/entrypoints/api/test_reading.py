"""GET: stock, vendor stock and orders; pages, filters, and ids with everything that hurts."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

import pytest

from api_under_test import ApiUnderTest
from order_aggregator.domain.errors import StorageUnavailable
from order_aggregator.domain.ports.read_model import Page

NEW_YEAR = "2026-01-01T00:00:00.000000+00:00"


def test_stock_is_listed_by_product(api: ApiUnderTest) -> None:
    api.order({"product_id": "BOLT", "quantity": 4})
    levels = api.get("/stock").get_json()
    assert [level["product_id"] for level in levels] == ["BOLT", "NUT", api.ODD_ID]
    assert levels[0] == {
        "product_id": "BOLT",
        "name": "Product BOLT",
        "on_hand": 15,
        "reserved": 4,
        "stale": 0,
        "backordered": 0,
        "available": 11,
        "low_at": None,
        "backorder_limit": None,
        "vendor_count": 2,
        "updated_at": NEW_YEAR,
    }


def test_stock_can_be_filtered(api: ApiUnderTest) -> None:
    [level] = api.get("/stock", product_id=api.ODD_ID).get_json()
    assert level["product_id"] == api.ODD_ID
    assert api.get("/stock", product_id="nope").get_json() == []


@pytest.mark.parametrize("product_id", ["BOLT", ApiUnderTest.ODD_ID])
def test_one_products_stock_names_its_vendors(api: ApiUnderTest, product_id: str) -> None:
    level = api.client.get("/v1/api/stock/" + quote(product_id)).get_json()
    assert level["product_id"] == product_id
    assert level["vendors"][0] == {
        "vendor_id": "acme",
        "vendor_name": "Vendor acme",
        "available": level["on_hand"] if product_id != "BOLT" else 10,
        "stale": False,
        "as_of": NEW_YEAR,
        "expected_at": None,
    }


@pytest.mark.parametrize("product_id", ["/", "/x", "x/", "a//b", ".", "%2F", "+", "a b", "é"])
def test_any_storable_id_has_a_path(api: ApiUnderTest, product_id: str) -> None:
    api.stock("odd", {product_id: 1})
    answer = api.client.get("/v1/api/stock/" + quote(product_id))
    assert answer.get_json()["product_id"] == product_id


@pytest.mark.parametrize("path", ["nope", "%00", "%0A", "x" * 101, "%FF", "a%0Ab"])
def test_an_unknown_product_is_not_found(api: ApiUnderTest, path: str) -> None:
    answer = api.client.get(f"/v1/api/stock/{path}")
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")


def test_vendor_stock_is_listed_and_filtered(api: ApiUnderTest) -> None:
    levels = api.get("/vendor-stock").get_json()
    assert [(level["product_id"], level["vendor_id"]) for level in levels] == [
        ("BOLT", "acme"),
        ("NUT", "acme"),
        (api.ODD_ID, "acme"),
        ("BOLT", "bits/co"),
    ]
    assert levels[3] == {
        "vendor_id": "bits/co",
        "vendor_name": "Vendor bits/co",
        "product_id": "BOLT",
        "available": 5,
        "reported": 5,
        "stale": False,
        "as_of": NEW_YEAR,
        "expected_at": None,
    }
    assert api.get("/vendor-stock", vendor_id="bits/co").get_json() == [levels[3]]
    assert len(api.get("/vendor-stock", product_id="BOLT").get_json()) == 2


def test_a_fulfilled_order_names_the_vendors_of_each_line(api: ApiUnderTest) -> None:
    lines = [{"product_id": "NUT", "quantity": 1}, {"product_id": "BOLT", "quantity": 14}]
    placed = api.order({"lines": lines}).get_json()
    api.shop.pass_time(hours=1)
    api.shop.fulfil(*api.shop.storage.read_model.orders(0, 1).items)
    order = api.get(f"/order/{placed['id']}").get_json()
    assert (order["status"], order["updated_at"]) == (
        "fulfilled",
        "2026-01-01T01:00:00.000000+00:00",
    )
    assert order["lines"] == [
        {
            **lines[0],
            "cancelled": 0,
            "backordered": 0,
            "allocations": [{"vendor_id": "acme", "quantity": 1, "sequence": 1, "returned": 0}],
        },
        {
            **lines[1],
            "cancelled": 0,
            "backordered": 0,
            "allocations": [
                {"vendor_id": "acme", "quantity": 9, "sequence": 9, "returned": 0},
                {"vendor_id": "bits/co", "quantity": 5, "sequence": 5, "returned": 0},
            ],
        },
    ]
    upper = api.get(f"/order/{placed['id'].upper()}")
    assert upper.get_json() == order


@pytest.mark.parametrize("order_id", ["0198d3f0-0000-7000-8000-000000000000", "1", "x" * 5000])
def test_an_unknown_order_is_not_found(api: ApiUnderTest, order_id: str) -> None:
    answer = api.get(f"/order/{order_id}")
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")


def test_orders_are_listed_newest_first_and_filtered(api: ApiUnderTest) -> None:
    ids = [
        api.order({"product_id": key, "quantity": 1}).get_json()["id"]
        for key in ("BOLT", "NUT", "BOLT")
    ]
    assert [order["id"] for order in api.get("/order").get_json()] == ids[::-1]
    assert [o["id"] for o in api.get("/order", product_id="NUT").get_json()] == [ids[1]]
    assert len(api.get("/order", status="reserved").get_json()) == 3
    assert api.get("/order", status="failed").get_json() == []


class TestPaging:
    def test_a_part_says_where_it_stands(self, api: ApiUnderTest) -> None:
        answer = api.get("/stock", page=2, page_size=1)
        assert [level["product_id"] for level in answer.get_json()] == ["NUT"]
        assert json.loads(answer.headers["X-Pagination"]) == {
            "total": 3,
            "total_pages": 3,
            "first_page": 1,
            "last_page": 3,
            "page": 2,
            "previous_page": 1,
            "next_page": 3,
        }

    @pytest.mark.parametrize("path", ["/stock", "/vendor-stock", "/order"])
    def test_a_page_past_the_end_is_empty(self, api: ApiUnderTest, path: str) -> None:
        answer = api.get(path, page=1_000_000, page_size=100)
        assert (answer.status_code, answer.get_json()) == (200, [])

    def test_a_page_has_ten_items_unless_told_otherwise(self, api: ApiUnderTest) -> None:
        api.stock("many", {f"P{n:03}": 1 for n in range(120)})
        assert len(api.get("/stock").get_json()) == 10
        assert len(api.get("/stock", page_size=100).get_json()) == 100

    @pytest.mark.parametrize("path", ["/stock", "/vendor-stock", "/order"])
    @pytest.mark.parametrize(
        ("parameter", "value"),
        [
            *[("page", v) for v in ("0", "-1", "1000001", "9" * 5000, "", "x", "1.0", "1e2", "٣")],
            *[("page_size", v) for v in ("0", "101", "1_0", " 1", "+1", "\x00")],
            ("product_id", ""),
            ("product_id", "x" * 101),
            ("product_id", "a\x00"),
            ("unknown", "1"),
        ],
    )
    def test_a_wrong_parameter_is_named(
        self, api: ApiUnderTest, path: str, parameter: str, value: str
    ) -> None:
        answer = api.get(path, **{parameter: value})
        assert (answer.status_code, list(answer.get_json()["errors"])) == (422, [parameter])
        assert answer.get_json()["type"].endswith(":validation-error")

    @pytest.mark.parametrize("path", ["/stock", "/vendor-stock", "/order"])
    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("product_id=%ff", "product_id"),
            ("page=1&product_id=a%C3", "product_id"),
            ("product_id=%ED%A0%80", "product_id"),
            ("page=%ff", "page"),
            ("x%ff=1", "x\\xff"),
        ],
    )
    def test_what_is_no_utf_8_is_refused(
        self, api: ApiUnderTest, path: str, query: str, field: str
    ) -> None:
        answer = api.client.get(f"/v1/api{path}?{query}")
        assert answer.status_code == 422
        assert answer.get_json()["errors"] == {field: ["must be UTF-8"]}

    def test_bytes_that_were_sent_as_they_are_must_be_utf_8_too(self, api: ApiUnderTest) -> None:
        api.stock("odd", {"é": 1})
        for text, status in (("é".encode(), 200), (b"\xe9", 422)):
            raw = {"QUERY_STRING": (b"product_id=" + text).decode("latin-1")}
            assert api.client.get("/v1/api/stock", environ_overrides=raw).status_code == status

    def test_a_repeated_parameter_is_refused(self, api: ApiUnderTest) -> None:
        answer = api.client.get("/v1/api/stock?page=1&page=2")
        assert answer.get_json()["errors"] == {"page": ["must not be repeated"]}

    def test_a_status_is_one_of_ours(self, api: ApiUnderTest) -> None:
        answer = api.get("/order", status="RESERVED")
        assert (answer.status_code, list(answer.get_json()["errors"])) == (422, ["status"])


def test_moments_are_said_in_utc(api: ApiUnderTest) -> None:
    eastern = datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=3)))
    api.shop.sync("acme", {"BOLT": 1}, as_of=eastern)
    api.shop.sync("late", {"LATE": 1}, as_of=eastern)
    [level] = api.get("/vendor-stock", vendor_id="late").get_json()
    assert level["as_of"] == "2025-12-31T23:00:00.000000+00:00"


def test_timestamps_always_have_six_digits_of_a_second(api: ApiUnderTest) -> None:
    """The test's clock stands on a whole second."""
    api.shop.sync("acme", {"BOLT": 1})
    second = "2026-01-01T00:00:00.000000+00:00"
    assert api.get("/stock/BOLT").get_json()["updated_at"] == second
    order = api.order({"product_id": "BOLT", "quantity": 1}).get_json()
    assert (order["created_at"], order["updated_at"]) == (second, second)
    assert api.get(f"/order/{order['id']}").get_json()["created_at"] == second


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/stock", "stock"),
        ("/stock/BOLT", "product"),
        ("/vendor-stock", "vendor_stock"),
        ("/order", "orders"),
        ("/order/0198d3f0-0000-7000-8000-000000000000", "order"),
    ],
)
def test_a_storage_that_is_away_is_a_503(
    api: ApiUnderTest, monkeypatch: pytest.MonkeyPatch, path: str, method: str
) -> None:
    def fail(*_args: object, **_kwargs: object) -> Page[object]:
        raise StorageUnavailable("host db-7 refused")

    monkeypatch.setattr(type(api.services.read_model), method, fail)
    answer = api.get(path)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] in ("1", "2", "3")
    assert answer.get_json()["type"].endswith(":storage-unavailable")
    assert "db-7" not in answer.text


@pytest.mark.parametrize("path", ["/v1/api/stock", "/v1/api/order", "/healthz"])
def test_head_is_get_without_a_body(api: ApiUnderTest, path: str) -> None:
    head, get = api.client.head(path), api.client.get(path)
    assert (head.status_code, head.data) == (200, b"")
    assert head.headers["Content-Length"] == get.headers["Content-Length"]


@pytest.mark.parametrize(
    ("call", "status"),
    [
        (lambda client: client.get("/nope"), 404),
        (lambda client: client.get("/v1/api/"), 404),
        (lambda client: client.get("/v1/api/stock/"), 404),
        (lambda client: client.delete("/v1/api/order"), 405),
        (lambda client: client.put("/v1/api/stock"), 405),
        (lambda client: client.open("/v1/api/stock", method="TRACE"), 405),
        (lambda client: client.open("/v1/api/stock", method="NONSENSE"), 405),
        (lambda client: client.get("/v1/api/sync"), 405),
    ],
)
def test_errors_of_the_router_are_problems(
    api: ApiUnderTest, call: Callable[[object], object], status: int
) -> None:
    answer = call(api.client)
    assert answer.status_code == answer.get_json()["status"] == status  # type: ignore[attr-defined]
    assert answer.content_type == "application/problem+json"  # type: ignore[attr-defined]
    assert ("Allow" in answer.headers) == (status == 405)  # type: ignore[attr-defined]


def test_options_say_what_is_allowed(api: ApiUnderTest) -> None:
    answer = api.client.options("/v1/api/order")
    assert answer.status_code == 200
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


class TestBarePaths:
    @pytest.mark.parametrize(
        "path",
        [
            "/stock",
            "/stock?page=2&product_id=a%2Fb%20c&x=%C3%BC",
            "/vendor-stock?vendor_id=acme",
            "/order",
            "/order/0198d3f0-0000-7000-8000-000000000000",
            "/stock/" + quote(ApiUnderTest.ODD_ID),
        ],
    )
    def test_they_lead_to_the_prefixed_ones(self, api: ApiUnderTest, path: str) -> None:
        answer = api.client.get(path)
        assert (answer.status_code, answer.headers["Location"]) == (308, "/v1/api" + path)

    def test_an_order_can_be_placed_through_them(self, api: ApiUnderTest) -> None:
        answer = api.client.post(
            "/order", json={"product_id": "BOLT", "quantity": 1}, follow_redirects=True
        )
        assert answer.status_code == 202


def test_orders_are_found_by_reference_key_and_change(api: ApiUnderTest) -> None:
    first = api.order({"product_id": "BOLT", "quantity": 1, "reference": "a"}, key="k").get_json()
    api.shop.pass_time(seconds=5)
    second = api.order({"product_id": "BOLT", "quantity": 1}).get_json()
    assert api.get("/order", reference="a").get_json() == [first]
    assert api.get("/order", idempotency_key="k").get_json() == [first]
    assert api.get("/order", updated_since=second["created_at"]).get_json() == [second]
    assert api.get("/order", vendor_id="acme").get_json() == []
    api.shop.fulfil(*api.shop.storage.read_model.orders(1, 1).items)
    assert [order["id"] for order in api.get("/order", vendor_id="acme").get_json()] == [
        first["id"]
    ]


def test_a_cursor_goes_on_though_orders_come_in(api: ApiUnderTest) -> None:
    placed = [api.order({"product_id": "BOLT", "quantity": 1}).get_json()["id"] for _ in range(5)]
    listed: list[str] = []
    query: dict[str, Any] = {"page_size": 2}
    while True:
        response = api.get("/order", **query)
        listed += [order["id"] for order in response.get_json()]
        api.order({"product_id": "BOLT", "quantity": 1})
        if "X-Next-Cursor" not in response.headers:
            break
        query["cursor"] = response.headers["X-Next-Cursor"]
    assert listed == placed[::-1]


@pytest.mark.parametrize(
    ("query", "field", "expected"),
    [
        ({"cursor": "2"}, "cursor", "must be the cursor of an earlier response"),
        ({"updated_since": "yesterday"}, "updated_since", "must be a timestamp with a UTC offset"),
        (
            {"updated_since": "2026-01-01T00:00:00"},
            "updated_since",
            "must be a timestamp with a UTC offset",
        ),
    ],
)
def test_a_wrong_cursor_or_time_is_named(
    api: ApiUnderTest, query: dict[str, Any], field: str, expected: str
) -> None:
    refused = api.get("/order", **query)
    assert refused.status_code == 422
    assert expected in str(refused.get_json()["errors"][field])

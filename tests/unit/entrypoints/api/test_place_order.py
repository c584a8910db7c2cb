"""POST /order: what is accepted, and that nothing else is ever written or a fault of the server."""

from __future__ import annotations

import io
import json
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from api_under_test import ApiUnderTest
from order_aggregator.domain.errors import (
    CommitOutcomeUnknown,
    Conflict,
    ConstraintViolated,
    StorageUnavailable,
)
from order_aggregator.domain.order import MAX_LINES
from order_aggregator.domain.use_cases.order_limits import OrderLimits
from order_aggregator.domain.use_cases.place_orders import PlaceOrders
from order_aggregator.domain.values import MAX_QUANTITY
from order_aggregator.entrypoints.api.services import Limits

ONE_BOLT = {"product_id": "BOLT", "quantity": 1}


def assert_problem(answer: TestResponse, status: int, slug: str) -> dict[str, object]:
    """The answer is this problem, whole, and no traceback; its members."""
    document = answer.get_json()
    assert (answer.status_code, document["type"]) == (
        status,
        f"urn:order-aggregator:problem:{slug}",
    ), document
    assert answer.content_type == "application/problem+json"
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert "Traceback" not in answer.text
    assert ("Retry-After" in answer.headers) == (status == 503)
    return dict(document)


def assert_refused(
    api: ApiUnderTest, answer: TestResponse, status: int, slug: str
) -> dict[str, object]:
    """Likewise, and nothing was written."""
    problem = assert_problem(answer, status, slug)
    assert api.order_count() == 0
    assert api.shop.balance("BOLT") == (15, 0)
    return problem


def test_one_product(api: ApiUnderTest) -> None:
    answer = api.order({"product_id": "BOLT", "quantity": 3})
    order = answer.get_json()
    assert answer.status_code == 202
    assert answer.content_type == "application/json"
    assert answer.headers["Location"] == f"/v1/api/order/{order['id']}"
    assert order == {
        "id": order["id"],
        "status": "reserved",
        "lines": [
            {
                "product_id": "BOLT",
                "quantity": 3,
                "cancelled": 0,
                "backordered": 0,
                "allocations": [],
            }
        ],
        "failure": None,
        "reference": None,
        "expires_at": None,
        "rest_id": None,
        "created_at": "2026-01-01T00:00:00.000000+00:00",
        "updated_at": "2026-01-01T00:00:00.000000+00:00",
    }
    assert UUID(order["id"]).version == 7
    assert api.shop.balance("BOLT") == (15, 3)
    assert api.client.get(answer.headers["Location"]).get_json() == order


def test_several_products(api: ApiUnderTest) -> None:
    lines = [{"product_id": "BOLT", "quantity": 15}, {"product_id": api.ODD_ID, "quantity": 7}]
    answer = api.order({"lines": lines})
    assert answer.status_code == 202
    assert answer.get_json()["lines"] == [
        {**line, "cancelled": 0, "backordered": 0, "allocations": []} for line in lines
    ]


def test_as_many_lines_as_allowed(api: ApiUnderTest) -> None:
    api.stock("many", {f"P{n}": 1 for n in range(MAX_LINES)})
    lines = [{"product_id": f"P{n}", "quantity": 1} for n in range(MAX_LINES)]
    assert api.order({"lines": lines}).status_code == 202


def test_a_content_type_with_a_charset_is_json_too(api: ApiUnderTest) -> None:
    answer = api.client.post(
        "/v1/api/order",
        data=json.dumps({"product_id": "BOLT", "quantity": 1}),
        content_type="application/json; charset=utf-8",
    )
    assert answer.status_code == 202


def test_accepted_orders_are_logged_with_their_ids_and_the_relay_is_woken(
    api: ApiUnderTest,
) -> None:
    with capture_logs() as logs:
        placed = api.order({"product_id": "BOLT", "quantity": 1})
        api.order({"product_id": "BOLT", "quantity": 100})
        api.close()
    accepted = [entry for entry in logs if entry["event"] == "orders.accepted"]
    assert accepted == [
        {
            "event": "orders.accepted",
            "order_ids": [placed.get_json()["id"]],
            "request_ids": [placed.headers["X-Request-ID"]],
            "placed_by": ["anyone"],
            "log_level": "info",
        }
    ]
    assert api.wakes == 1


def test_every_short_line_is_named(api: ApiUnderTest) -> None:
    lines = [
        {"product_id": "BOLT", "quantity": 16},
        {"product_id": api.ODD_ID, "quantity": 1},
        {"product_id": "NUT", "quantity": MAX_QUANTITY},
    ]
    problem = assert_refused(api, api.order({"lines": lines}), 409, "insufficient-stock")
    assert problem["shortages"] == [
        {"product_id": "BOLT", "requested": 16, "available": 15},
        {"product_id": "NUT", "requested": MAX_QUANTITY, "available": 4},
    ]


def test_unknown_products_are_named_by_their_fields(api: ApiUnderTest) -> None:
    lines = [{"product_id": key, "quantity": 1} for key in ("nope", "BOLT", "none")]
    problem = assert_refused(api, api.order({"lines": lines}), 422, "unknown-product")
    assert problem["errors"] == {
        "lines.0.product_id": ["unknown product: nope"],
        "lines.2.product_id": ["unknown product: none"],
    }
    single = api.order({"product_id": "bolt", "quantity": 1})
    problem = assert_refused(api, single, 422, "unknown-product")
    assert problem["errors"] == {"product_id": ["unknown product: bolt"]}


class TestIdempotencyKey:
    BODY = {"product_id": "BOLT", "quantity": 2}  # noqa: RUF012

    def test_a_repeated_request_is_the_same_order(self, api: ApiUnderTest) -> None:
        first = api.order(self.BODY, "key-1")
        again = api.order({"lines": [self.BODY]}, "key-1")
        assert (again.status_code, again.get_json()) == (202, first.get_json())
        assert again.headers["Location"] == first.headers["Location"]
        assert api.shop.balance("BOLT") == (15, 2)
        assert api.order(self.BODY, "key-2").get_json()["id"] != first.get_json()["id"]

    def test_a_replay_says_so_and_spaces_around_the_key_do_not_count(
        self, api: ApiUnderTest
    ) -> None:
        first, again = api.order(self.BODY, "key-1"), api.order(self.BODY, " key-1 ")
        assert first.get_json()["id"] == again.get_json()["id"]
        assert "Idempotent-Replayed" not in first.headers
        assert again.headers["Idempotent-Replayed"] == "true"

    def test_a_key_is_not_for_another_order(self, api: ApiUnderTest) -> None:
        api.order(self.BODY, "key-1")
        answer = api.order({"product_id": "BOLT", "quantity": 3}, "key-1")
        assert_problem(answer, 422, "idempotency-key-reused")
        assert api.order_count() == 1

    @pytest.mark.parametrize("key", ["", " ", "ä", "k" * 256, "a\tb", "\x7f"])
    def test_a_key_is_1_to_255_printable_ascii_characters(
        self, api: ApiUnderTest, key: str
    ) -> None:
        problem = assert_refused(api, api.order(self.BODY, key), 422, "validation-error")
        assert list(problem["errors"]) == ["Idempotency-Key"]  # type: ignore[call-overload]

    @pytest.mark.parametrize("key", ["!", "~", "k" * 255, '"quoted"', "a,b;c", "a b"])
    def test_any_printable_ascii_will_do(self, api: ApiUnderTest, key: str) -> None:
        assert api.order(self.BODY, key).status_code == 202


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ([], ["body"]),
        ("BOLT", ["body"]),
        (None, ["body"]),
        (7, ["body"]),
        ({}, ["product_id", "quantity"]),
        ({"product_id": "BOLT"}, ["quantity"]),
        ({"quantity": 1}, ["product_id"]),
        ({"product_id": "BOLT", "quantity": 1, "price": 2}, ["price"]),
        ({"product_id": "BOLT", "quantity": 0, "price": 2, "a": 1}, ["a", "price", "quantity"]),
        ({"product_id": 5, "quantity": "1"}, ["product_id", "quantity"]),
        ({"product_id": "BOLT", "quantity": 1, "\ud800": 2}, ["\ud800"]),
        ({"product_id": "BOLT", "quantity": 1, "self": 2}, ["self"]),
        (
            {"product_id": "BOLT", "quantity": 1, "lines": [{"product_id": "B", "quantity": 1}]},
            ["product_id", "quantity"],
        ),
        ({"lines": [{"product_id": "BOLT", "quantity": 1}], "note": ""}, ["note"]),
        ({"lines": []}, ["lines"]),
        ({"lines": None}, ["lines"]),
        ({"lines": {"product_id": "BOLT", "quantity": 1}}, ["lines"]),
        ({"lines": [{"product_id": f"P{n}", "quantity": 1} for n in range(101)]}, ["lines"]),
        ({"lines": ["BOLT"]}, ["lines.0"]),
        ({"lines": [None, {"product_id": "BOLT"}, []]}, ["lines.0", "lines.1.quantity", "lines.2"]),
        ({"lines": [{"lines": []}]}, [f"lines.0.{f}" for f in ("lines", "product_id", "quantity")]),
        (
            {"lines": [{"product_id": "BOLT", "quantity": q} for q in (1, 0)]},
            ["lines.1.quantity"],
        ),
    ],
)
def test_a_wrong_body_is_refused_by_its_fields(
    api: ApiUnderTest, body: object, fields: list[str]
) -> None:
    problem = assert_refused(api, api.order(json.dumps(body).encode()), 422, "validation-error")
    errors = problem["errors"]
    assert isinstance(errors, dict)
    assert sorted(errors) == fields
    assert all(isinstance(text, str) for texts in errors.values() for text in texts)


@pytest.mark.parametrize(
    "quantity",
    [
        *("0", "-1", "-0", "1000000001", "1.0", "1.5", "1e3", "1e400", str(2**63), str(2**64)),
        *("9" * 30, "-" + "9" * 30, "9" * 5000),
        *("true", "false", "null", '"1"', '""', "[]", "[1]", "{}"),
    ],
)
def test_a_quantity_is_a_whole_number_from_1_up(api: ApiUnderTest, quantity: str) -> None:
    single = b'{"product_id": "BOLT", "quantity": %s}' % quantity.encode()
    problem = assert_refused(api, api.order(single), 422, "validation-error")
    assert list(problem["errors"]) == ["quantity"]  # type: ignore[call-overload]
    problem = assert_refused(api, api.order(b'{"lines": [%s]}' % single), 422, "validation-error")
    assert list(problem["errors"]) == ["lines.0.quantity"]  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "product_id",
    [
        *('""', '"\\u0000"', '"a\\nb"', '"\\u007f"', '"\\ud800"', '"%s"' % ("x" * 101)),
        *("1", "null", "true", "[]", "{}"),
    ],
)
def test_a_product_id_is_1_to_100_storable_characters(api: ApiUnderTest, product_id: str) -> None:
    body = b'{"product_id": %s, "quantity": 1}' % product_id.encode()
    problem = assert_refused(api, api.order(body), 422, "validation-error")
    assert list(problem["errors"]) == ["product_id"]  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"{}{}",
        b"{'product_id': 'BOLT', 'quantity': 1}",
        b'{"product_id": "BOLT", "quantity": 1,}',
        b'{"product_id": "BOLT", "quantity": NaN}',
        b'{"product_id": "BOLT", "quantity": Infinity}',
        b'{"product_id": "BOLT", "quantity": -Infinity}',
        b'{"product_id": "BOLT", "quantity": 01}',
        b'{"product_id": "BOLT", "quantity": 1} // one',
        b'\xef\xbb\xbf{"product_id": "BOLT", "quantity": 1}',
        '{"product_id": "BOLT", "quantity": 1}'.encode("utf-16"),
        b'{"product_id": "BOLT\xff", "quantity": 1}',
        b'{"product_id": "\xed\xa0\x80", "quantity": 1}',
        b'{"product_id": "BOLT\x00", "quantity": 1}',
        b"[" * 500_000,
        b'{"lines":' * 50_000,
        b'{"product_id": "BOLT", "quantity": 1, "quantity": 1}',
    ],
    ids=range(19),
)
def test_what_is_not_json_is_malformed(api: ApiUnderTest, body: bytes) -> None:
    assert_refused(api, api.order(body), 400, "malformed-json")


def test_a_key_that_stands_twice_is_named(api: ApiUnderTest) -> None:
    body = b'{"lines": [{"product_id": "BOLT", "quantity": 1, "quantity": 2}]}'
    assert "'quantity'" in str(api.order(body).get_json()["detail"])
    assert_refused(api, api.order(b'{"\\ud800": 1, "\\ud800": 1}'), 400, "malformed-json")


def test_errors_do_not_echo_without_bound(api: ApiUnderTest) -> None:
    body = {"k" * 1000 + str(n): n for n in range(500)}
    answer = api.order(body)
    assert_refused(api, answer, 422, "validation-error")
    assert len(answer.data) < 20_000


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml", None]
)
def test_what_is_not_declared_as_json_is_refused(
    api: ApiUnderTest, content_type: str | None
) -> None:
    answer = api.client.post(
        "/v1/api/order", data=b'{"product_id": "BOLT", "quantity": 1}', content_type=content_type
    )
    assert_refused(api, answer, 415, "unsupported-media-type")


def test_an_empty_body_is_malformed_whatever_its_type(api: ApiUnderTest) -> None:
    assert_refused(api, api.client.post("/v1/api/order"), 400, "malformed-json")


def test_a_body_over_the_limit_is_too_large(api: ApiUnderTest) -> None:
    order = b'{"product_id": "BOLT", "quantity": 1}'
    assert_refused(api, api.order(order.ljust(2**20 + 1)), 413, "content-too-large")
    assert api.order(order.ljust(2**20)).status_code == 202


def test_a_body_shorter_than_declared_is_no_order(api: ApiUnderTest) -> None:
    """The server has seen the end of the input, as when the client hung up."""
    answer = api.client.post(
        "/v1/api/order",
        input_stream=io.BytesIO(b'{"product_id": "BOLT", "quantity": 1}'),
        content_type="application/json",
        environ_overrides={"wsgi.input_terminated": True, "CONTENT_LENGTH": "1000"},
    )
    assert_refused(api, answer, 400, "bad-request")


def test_a_body_of_undeclared_length_is_counted_too(api: ApiUnderTest) -> None:
    answer = api.client.post(
        "/v1/api/order",
        input_stream=io.BytesIO(b" " * (2**20 + 1)),
        content_type="application/json",
        environ_overrides={"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
    )
    assert_refused(api, answer, 413, "content-too-large")


@pytest.mark.parametrize(
    ("error", "status", "slug"),
    [
        (StorageUnavailable("host db-7 refused"), 503, "storage-unavailable"),
        (Conflict("locked"), 503, "contention"),
        (ConstraintViolated("secret"), 500, "internal-error"),
        (ZeroDivisionError("secret"), 500, "internal-error"),
    ],
)
def test_a_failure_of_ours_says_nothing_of_its_inside(
    api: ApiUnderTest, error: Exception, status: int, slug: str
) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise error

    api.place_orders = fail
    with capture_logs() as logs:
        answer = api.order({"product_id": "BOLT", "quantity": 1})
    assert_refused(api, answer, status, slug)
    assert str(error) not in answer.text
    unexpected = [entry for entry in logs if entry["event"] == "api.unexpected_error"]
    assert [entry["exc_info"] for entry in unexpected] == ([error] if status == 500 else [])


def test_an_unknown_outcome_advises_to_repeat_with_the_same_key() -> None:
    api = ApiUnderTest(Limits(timeout=0.1))

    def fail(*_args: object, **_kwargs: object) -> None:
        raise CommitOutcomeUnknown("lost")

    api.place_orders = fail
    answer = api.order({"product_id": "BOLT", "quantity": 1}, "key")
    problem = assert_refused(api, answer, 503, "outcome-unknown")
    assert "same Idempotency-Key" in str(problem["detail"])
    api.close()


def test_an_api_that_is_closing_says_when_to_come_back(api: ApiUnderTest) -> None:
    api.close()
    assert_refused(api, api.order({"product_id": "BOLT", "quantity": 1}), 503, "overloaded")


@pytest.mark.parametrize("body", [ONE_BOLT, {"lines": [ONE_BOLT]}])
def test_an_order_may_carry_a_reference(api: ApiUnderTest, body: dict[str, Any]) -> None:
    placed = api.order(body | {"reference": " PO 4711 "}).get_json()
    assert placed["reference"] == "PO 4711"
    assert api.get(f"/order/{placed['id']}").get_json()["reference"] == "PO 4711"
    assert api.order(body).get_json()["reference"] is None


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("", "must have 1 to 255 characters"),
        (" ", "must have 1 to 255 characters"),
        ("x" * 256, "must have 1 to 255 characters"),
        ("a\nb", "must not contain control characters"),
        (7, "must be text"),
        (None, "must be text"),
    ],
)
def test_a_wrong_reference_is_named(api: ApiUnderTest, reference: object, expected: str) -> None:
    refused = api.order(ONE_BOLT | {"reference": reference})
    assert refused.status_code == 422
    assert expected in str(refused.get_json()["errors"]["reference"])


def test_a_key_is_not_for_another_reference(api: ApiUnderTest) -> None:
    first = api.order(ONE_BOLT | {"reference": "a"}, key="k")
    assert api.order(ONE_BOLT | {"reference": "a"}, key="k").get_json() == first.get_json()
    assert api.order(ONE_BOLT | {"reference": "b"}, key="k").status_code == 422


def limit(api: ApiUnderTest, **limits: int) -> None:
    shop = api.shop
    unit_of_work = shop.storage.unit_of_work
    api.place_orders = PlaceOrders(
        unit_of_work, shop.clock, shop.shared_clock, OrderLimits(**limits)
    )


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"product_id": "BOLT", "quantity": 4}, "quantity"),
        (
            {
                "lines": [
                    {"product_id": "BOLT", "quantity": 2},
                    {"product_id": "NUT", "quantity": 2},
                ]
            },
            "lines",
        ),
    ],
)
@pytest.mark.parametrize("path", ["/order", "/hold"])
def test_more_units_than_an_order_may_be_for(
    api: ApiUnderTest, path: str, body: object, field: str
) -> None:
    limit(api, max_units=3)
    answer = api.client.post("/v1/api" + path, json=body)
    problem = assert_refused(api, answer, 422, "validation-error")
    assert problem["errors"] == {field: ["must be for 3 units at most in all"]}


def test_more_open_orders_than_one_reference_may_have(api: ApiUnderTest) -> None:
    limit(api, max_open_per_reference=1)
    hold = api.client.post("/v1/api/hold", json={**ONE_BOLT, "reference": "PO-1"})
    assert hold.status_code == 201
    answer = api.order({**ONE_BOLT, "reference": "PO-1"})
    problem = assert_problem(answer, 409, "too-many-open-orders")
    assert problem["detail"] == "no more than 1 orders with reference 'PO-1' may be open"
    assert api.order_count() == 1
    assert api.order({**ONE_BOLT, "reference": "PO-2"}).status_code == 202
    assert api.order(ONE_BOLT).status_code == 202

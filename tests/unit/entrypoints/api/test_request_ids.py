"""Every response has the id of its request, and so has every line of the log."""

from __future__ import annotations

import re
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from api_under_test import ApiUnderTest

BOLT = {"product_id": "BOLT", "quantity": 1}


@pytest.mark.parametrize("path", ["/healthz", "/v1/api/stock", "/nowhere", "/v1/api/order/x"])
def test_the_clients_own_id_is_returned(api: ApiUnderTest, path: str) -> None:
    response = api.client.get(path, headers={"X-Request-ID": "abc-1"})
    assert response.headers["X-Request-ID"] == "abc-1"


@pytest.mark.parametrize("given", [None, "", "two words", "x" * 129, "ä"])
def test_another_one_is_made(api: ApiUnderTest, given: str | None) -> None:
    headers = {} if given is None else {"X-Request-ID": given.encode().decode("latin-1")}
    ids = {api.client.get("/healthz", headers=headers).headers["X-Request-ID"] for _ in range(3)}
    assert len(ids) == 3
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in ids)


def test_lines_of_a_request_have_its_id(api: ApiUnderTest) -> None:
    def breaks(*_args: Any, **_kwargs: Any) -> Any:
        raise ZeroDivisionError

    api.services.read_model.stock = breaks  # type: ignore[method-assign]
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        api.client.get("/v1/api/stock", headers={"X-Request-ID": "abc-2"})
    assert {line["request_id"] for line in lines} == {"abc-2"}
    assert "api.unexpected_error" in {line["event"] for line in lines}


def test_refusals_are_logged_with_their_reasons(api: ApiUnderTest) -> None:
    with capture_logs() as lines:
        for request_id, wanted in (
            ("a", BOLT | {"quantity": 99}),
            ("b", BOLT | {"product_id": "-"}),
        ):
            api.client.post("/v1/api/order", json=wanted, headers={"X-Request-ID": request_id})
    refused = [line["refusals"] for line in lines if line["event"] == "orders.refused"]
    assert refused == [
        [{"request_id": "a", "reason": "insufficient_stock"}],
        [{"request_id": "b", "reason": "unknown_product"}],
    ]


def test_the_root_leads_to_the_documentation(api: ApiUnderTest) -> None:
    response = api.client.get("/")
    assert (response.status_code, response.headers["Location"]) == (302, "/v1/api/swagger")

"""The history of an order says who wanted each step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from api_under_test import PREFIX, ApiUnderTest
from order_aggregator.domain.access import Principal, Unauthenticated, permitted_by
from order_aggregator.domain.order import MAX_BY

NUT = {"product_id": "NUT", "quantity": 3}
ONE = {"lines": [{"product_id": "NUT", "quantity": 1}]}


class AnyName:
    """An identity provider that takes each token for a name."""

    name = ""

    def verify(self, token: str) -> Principal:
        if not self.name:
            raise Unauthenticated(token)
        return Principal(id=f"jwt:{self.name}", permitted=permitted_by(["orders:write"]))


@pytest.fixture
def closed() -> Iterator[ApiUnderTest]:
    api = ApiUnderTest(is_open=False, identity_provider=AnyName())
    yield api
    api.close()


def call(api: ApiUnderTest, token: str, path: str, method: str = "POST", json: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    answer = api.client.open(PREFIX + path, method=method, headers=headers, json=json)
    assert answer.status_code < 300, answer.text
    return answer.get_json(silent=True)


def by_whom(api: ApiUnderTest, token: str, order_id: str) -> list[tuple[str, str | None]]:
    steps = call(api, token, f"/order/{order_id}/history", "GET")
    return [(step["type"].partition(".")[2], step["data"].get("by")) for step in steps]


def test_each_step_says_who_wanted_it(closed: ApiUnderTest) -> None:
    shop, operator = (closed.token(scope) for scope in ("orders:write", "operate"))
    ids = [f"token:{token.id}" for token in closed.shop.storage.access_tokens.all()]
    order_id = call(closed, shop, "/order", json=NUT)["id"]
    call(closed, shop, f"/order/{order_id}/cancel", json=ONE)
    closed.shop.fulfil(closed.shop.order(UUID(order_id)))
    call(closed, operator, f"/order/{order_id}/return", json=ONE)
    call(closed, shop, f"/order/{order_id}/return", json={})
    assert by_whom(closed, shop, order_id) == [
        ("reserved", ids[0]),
        ("changed", ids[0]),
        ("fulfilled", None),
        ("returned", ids[1]),
        ("returned", ids[0]),
    ]


def test_so_do_steps_of_holds(closed: ApiUnderTest) -> None:
    shop = closed.token("orders:write")
    [token] = closed.shop.storage.access_tokens.all()
    order_id = call(closed, shop, "/order", json=NUT)["id"]
    for _ in range(2):
        call(closed, shop, f"/order/{order_id}/cancel")
    hold_id = call(closed, shop, "/hold", json=NUT)["id"]
    call(closed, shop, f"/hold/{hold_id}/extend", json={"seconds": 60})
    call(closed, shop, f"/hold/{hold_id}", "DELETE")
    ordered_id = call(closed, shop, "/hold", json=NUT)["id"]
    call(closed, shop, f"/hold/{ordered_id}/order")
    for each, names in (
        (order_id, ["reserved", "cancelled"]),
        (hold_id, ["held", "changed", "cancelled"]),
        (ordered_id, ["held", "reserved"]),
    ):
        steps = by_whom(closed, shop, each)
        assert steps == [(name, f"token:{token.id}") for name in names]


def test_whatever_an_identity_provider_says_can_be_kept(
    closed: ApiUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AnyName, "name", "é\0\ud800" + "x" * 999)
    order_id = call(closed, "eyJ", "/order", json=NUT)["id"]
    call(closed, "eyJ", f"/order/{order_id}/cancel")
    [_, (_, by)] = by_whom(closed, "eyJ", order_id)
    assert by is not None
    assert (by[:7], len(by)) == ("jwt:é\ufffd\ufffd", MAX_BY)


def test_where_anyone_may_call_nobody_is_named(api: ApiUnderTest) -> None:
    order_id = api.order(NUT).get_json()["id"]
    assert api.client.post(f"{PREFIX}/order/{order_id}/cancel").status_code == 200
    steps = api.get(f"/order/{order_id}/history").get_json()
    assert not any("by" in step["data"] for step in steps)

"""Webhooks over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import TestResponse

from api_under_test import PREFIX, ApiUnderTest
from order_aggregator.domain.webhooks import Message
from order_aggregator.testing.shop_work import work

NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"
URL = "https://shop.example/hook"


def post(api: ApiUnderTest, path: str, body: object) -> TestResponse:
    return api.client.post(PREFIX + path, json=body)


def add(api: ApiUnderTest, **body: object) -> Any:
    answer = post(api, "/webhook", {"url": URL} | body)
    assert answer.status_code == 201, answer.text
    return answer.get_json()


def test_a_webhook_is_added_and_its_secret_shown_once(api: ApiUnderTest) -> None:
    added = add(api, types=["order.*", "stock.low"])
    secret = added.pop("secret")
    assert secret.startswith("whsec_")
    assert len(secret) > 40
    assert api.get("/webhook").get_json() == [added]
    shown = api.get(f"/webhook/{added['id']}").get_json()
    assert shown == added
    assert (shown["types"], shown["enabled"]) == (["order.*", "stock.low"], True)
    assert (shown["waiting"], shown["dead"], shown["problem"]) == (0, 0, None)
    assert secret not in api.get("/webhook").text
    assert add(api)["secret"] != secret


def test_a_secret_of_ones_own_is_kept(api: ApiUnderTest) -> None:
    secret = "whsec_" + "QUJD" * 8
    assert add(api, secret=secret)["secret"] == secret
    assert add(api)["types"] == ["*"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": "ftp://x"}, "url"),
        ({"url": "http://10.0.0.1/"}, "url"),
        ({"url": "https://a:b@shop.example/"}, "url"),
        ({"url": None}, "url"),
        ({"url": URL, "types": []}, "types"),
        ({"url": URL, "types": ["Order"]}, "types"),
        ({"url": URL, "secret": "short"}, "secret"),
        ({"url": URL, "secret": None}, "secret"),
        ({"url": URL, "more": 1}, "more"),
        ([], "body"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_field(
    api: ApiUnderTest, body: object, field: str
) -> None:
    answer = post(api, "/webhook", body)
    assert answer.status_code == 422
    assert list(answer.get_json()["errors"]) == [field]
    assert api.get("/webhook").get_json() == []


def test_a_removed_webhook_is_not_found_any_more(api: ApiUnderTest) -> None:
    path = f"/webhook/{add(api)['id']}"
    assert api.client.delete(PREFIX + path).status_code == 204
    assert api.client.delete(PREFIX + path).status_code == 404
    assert api.get(path).status_code == 404


def test_dead_deliveries_are_listed_and_replayed(api: ApiUnderTest) -> None:
    webhook_id = add(api)["id"]
    storage = api.shop.storage
    messages = [
        (webhook_id, Message(id=f"m{n}", type="order.tested", subject="s", body="{}"))
        for n in range(3)
    ]
    now = api.shop.clock.now()
    work(storage, lambda uow: uow.webhooks.add_deliveries(messages, now))
    assert api.get(f"/webhook/{webhook_id}").get_json()["waiting"] == 3
    work(storage, lambda uow: uow.webhooks.bury(webhook_id, "gone"))
    page = api.get(f"/webhook/{webhook_id}/dead", page=2, page_size=2)
    assert page.get_json() == [
        {"id": "m2", "subject": "s", "attempts": 0, "problem": "gone", "body": "{}"}
    ]
    assert '"total": 3' in page.headers["X-Pagination"]
    path = f"/webhook/{webhook_id}/replay"
    assert post(api, path, {"ids": ["m1", "stranger"]}).get_json() == {"replayed": 1}
    assert post(api, path, {}).get_json() == {"replayed": 2}
    assert post(api, path, {}).get_json() == {"replayed": 0}


@pytest.mark.parametrize("body", [{"ids": []}, {"ids": "m1"}, {"ids": [7]}, {"ids": None}])
def test_ids_that_are_none_are_refused(api: ApiUnderTest, body: object) -> None:
    answer = post(api, f"/webhook/{add(api)['id']}/replay", body)
    assert (answer.status_code, list(answer.get_json()["errors"])) == (422, ["ids"])


def test_nobody_is_not_found(api: ApiUnderTest) -> None:
    assert api.get(f"/webhook/{NOBODY}").status_code == 404
    assert api.get(f"/webhook/{NOBODY}/dead").status_code == 404
    assert post(api, f"/webhook/{NOBODY}/replay", {}).status_code == 404

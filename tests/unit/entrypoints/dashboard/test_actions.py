"""What the dashboard does, once and when it is confirmed."""

from __future__ import annotations

import pytest

from api_under_test import ApiUnderTest
from dashboard_forms import OWN, act, key_of, send
from order_aggregator.domain.order import OrderStatus
from order_aggregator.domain.vendor_sync import VendorTerms
from order_aggregator.domain.webhooks import Message
from order_aggregator.testing.shop import Feed, snapshot
from order_aggregator.testing.shop_work import NOW, work
from order_aggregator.testing.webhooks import make_webhook

NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"


def said(api: ApiUnderTest, path: str) -> str:
    """What a page says was done; the next time it says nothing."""
    text = api.client.get(path).text
    _, found, rest = text.partition('<p class="said" role="status">')
    return rest.partition("</p>")[0] if found else ""


def test_to_look_at_an_action_does_nothing(api: ApiUnderTest) -> None:
    order = api.shop.accepted(BOLT=2)
    asked = api.client.get(f"/dashboard/orders/{order.id}/cancel")
    assert "Cancel this order?" in asked.text
    assert f'href="/dashboard/orders/{order.id}"' in asked.text
    assert api.shop.order(order.id).status is OrderStatus.RESERVED


def test_an_order_is_cancelled_once_however_often_the_form_comes(api: ApiUnderTest) -> None:
    order = api.shop.accepted(BOLT=2)
    path = f"/dashboard/orders/{order.id}"
    key = key_of(api.client.get(f"{path}/cancel").text)
    first = send(api.client, f"{path}/cancel", key)
    assert (first.status_code, first.location) == (303, path)
    assert said(api, path) == "The order is cancelled."
    assert said(api, path) == ""
    assert send(api.client, f"{path}/cancel", key).status_code == 303
    assert "was done before" in said(api, path)
    assert api.shop.order(order.id).status is OrderStatus.CANCELLED
    assert [event.type for event in api.shop.events() if event.subject == str(order.id)] == [
        "order.reserved",
        "order.cancelled",
    ]


def test_an_order_says_who_did_it(api: ApiUnderTest) -> None:
    cancelled, back = api.shop.accepted(BOLT=2), api.shop.accepted(BOLT=1)
    api.shop.fulfil(back)
    api.client.set_cookie("order_aggregator_token", api.token("operate"), path="/dashboard")
    [token] = api.shop.storage.access_tokens.all()
    for order, step in ((cancelled, "cancel"), (back, "return")):
        path = f"/dashboard/orders/{order.id}"
        assert act(api.client, f"{path}/{step}").status_code == 303
        assert f'by <span class="id">token:{token.id}</span>' in api.client.get(path).text


def test_each_form_has_a_key_of_its_own(untouched: ApiUnderTest) -> None:
    pages = [untouched.client.get("/dashboard/vendors/acme/sync").text for _ in range(2)]
    assert key_of(pages[0]) != key_of(pages[1])


def test_a_key_of_another_action_is_refused(api: ApiUnderTest) -> None:
    key = key_of(api.client.get("/dashboard/vendors/acme/disable").text)
    send(api.client, "/dashboard/vendors/acme/disable", key)
    assert send(api.client, "/dashboard/vendors/acme/enable", key).status_code == 422


@pytest.mark.parametrize("key", ["", "x", "g" * 32, "a" * 33])
def test_a_key_that_no_form_has_is_refused(untouched: ApiUnderTest, key: str) -> None:
    answer = send(untouched.client, "/dashboard/vendors/acme/disable", key)
    assert (answer.status_code, answer.mimetype) == (422, "text/html")


def test_what_is_not_possible_is_said(api: ApiUnderTest) -> None:
    order = api.shop.accepted(BOLT=2)
    api.shop.fulfil(order)
    answer = act(api.client, f"/dashboard/orders/{order.id}/cancel")
    assert (answer.status_code, answer.mimetype) == (409, "text/html")
    assert "Not possible any more" in answer.text


@pytest.mark.parametrize(("restock", "left"), [({"restock": "yes"}, 15), ({}, 13)])
def test_an_order_is_taken_back(api: ApiUnderTest, restock: dict[str, str], left: int) -> None:
    order = api.shop.accepted(BOLT=2)
    api.shop.fulfil(order)
    act(api.client, f"/dashboard/orders/{order.id}/return", **restock)
    assert api.shop.order(order.id).status is OrderStatus.RETURNED
    assert api.shop.central("BOLT").available == left


def test_an_order_is_announced_again(api: ApiUnderTest) -> None:
    order = api.shop.accepted(BOLT=2)
    api.shop.relay_messages()
    assert api.shop.bus.depth().waiting == 1
    path = f"/dashboard/orders/{order.id}"
    act(api.client, f"{path}/announce")
    assert said(api, path) == "The order is announced again."
    assert api.wakes == 1
    api.shop.relay_messages()
    assert api.shop.bus.depth().waiting == 2
    api.shop.fulfil(order)
    act(api.client, f"{path}/announce")
    assert "nothing was announced" in said(api, path)


def test_a_vendor_is_approved_synced_disabled_and_enabled(api: ApiUnderTest) -> None:
    feed = Feed(snapshot("acme", {"BOLT": 1}, api.shop.clock.now()), VendorTerms())
    api.gateways["acme"] = feed
    path = "/dashboard/vendors/acme"
    refused = act(api.client, f"{path}/sync")
    assert (refused.status_code, refused.mimetype) == (409, "text/html")
    assert f"{path}/approve" in api.client.get(path).text
    act(api.client, f"{path}/approve")
    assert said(api, path).startswith("The vendor was synced: 1 products")
    assert f"{path}/approve" not in api.client.get(path).text
    act(api.client, f"{path}/disable")
    assert said(api, path) == "The vendor is synced no longer."
    assert f"{path}/enable" in api.client.get(path).text
    act(api.client, f"{path}/enable")
    assert said(api, path) == "The vendor is synced again."


def test_parked_messages_are_replayed_and_discarded(api: ApiUnderTest) -> None:
    orders = [api.shop.accepted(BOLT=1) for _ in range(2)]
    api.shop.separate_orders([order.id for order in orders])
    api.shop.relay_messages()
    with api.shop.bus.consume() as consumer:
        received = consumer.receive(10, 1)
        consumer.park([(each, "<b>a bug</b>") for each in received])
    letters = api.shop.bus.dead_letters(10)
    page = api.client.get("/dashboard/messages").text
    assert "&lt;b&gt;a bug" in page
    assert str(orders[0].id) in page
    act(api.client, f"/dashboard/messages/{letters[0].id}/replay")
    assert said(api, "/dashboard/messages") == "The message is in the queue again."
    act(api.client, f"/dashboard/messages/{letters[1].id}/discard")
    assert said(api, "/dashboard/messages") == "The message is discarded."
    assert api.shop.bus.depth().waiting == 1
    assert [each.id for each in api.shop.bus.dead_letters(10)] == [x.id for x in letters[2:]]


def test_dead_deliveries_are_sent_again(api: ApiUnderTest) -> None:
    hook = make_webhook(NOBODY)
    message = Message(id="event-1", type="order.tested", subject="s", body="{}")
    work(api.shop.storage, lambda uow: uow.webhooks.add(hook))
    work(api.shop.storage, lambda uow: uow.webhooks.add_deliveries([(hook.id, message)], NOW))
    work(api.shop.storage, lambda uow: uow.webhooks.bury(hook.id, "500"))
    path = f"/dashboard/webhooks/{hook.id}"
    assert "event-1" in api.client.get(path).text
    act(api.client, f"{path}/replay")
    assert said(api, path) == "1 deliveries are tried anew."
    assert "event-1" not in api.client.get(path).text


@pytest.mark.parametrize(
    "path",
    [
        f"/orders/{NOBODY}/cancel",
        f"/orders/{NOBODY}/return",
        f"/orders/{NOBODY}/announce",
        "/vendors/nobody/approve",
        "/vendors/nobody/sync",
        "/vendors/nobody/disable",
        "/vendors/nobody/enable",
        "/messages/nothing/replay",
        "/messages/nothing/discard",
        f"/webhooks/{NOBODY}/replay",
    ],
)
def test_nothing_is_done_to_what_is_not_there(untouched: ApiUnderTest, path: str) -> None:
    answer = act(untouched.client, f"/dashboard{path}")
    assert (answer.status_code, answer.mimetype) == (404, "text/html")


def test_a_form_that_is_too_large_is_refused(untouched: ApiUnderTest) -> None:
    big = {"key": "a" * 2_000_000}
    answer = untouched.client.post("/dashboard/vendors/acme/sync", data=big, headers=OWN)
    assert answer.status_code == 413

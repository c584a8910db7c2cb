"""docs/asyncapi.yaml says what is published: neither more nor less."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import jsonschema_rs
import pytest
import yaml

from order_aggregator.adapters.cloud_events import cloud_events
from order_aggregator.domain import events
from order_aggregator.domain.order import CHANGED, OnShortage, OrderLine, OrderStatus
from order_aggregator.domain.stock import ProductLimits, Vendor
from order_aggregator.domain.stock_updates import StockUpdate
from order_aggregator.domain.use_cases.cancel_orders import CancelOrder
from order_aggregator.domain.use_cases.hold_actions import ExtendHold
from order_aggregator.domain.use_cases.order_holds import OrderHold
from order_aggregator.domain.use_cases.return_orders import ReturnOrder
from order_aggregator.testing.shop import SAME_CLOCK, Feed, Shop, next_order_id, snapshot, wish

FILE = Path(__file__).parents[2] / "docs" / "asyncapi.yaml"
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return loaded


def _types() -> set[str]:
    """Those that the domain can make."""
    steps = {CHANGED, *(status.value for status in OrderStatus)}
    named = {
        value
        for name, value in vars(events).items()
        if name.startswith(("STOCK_", "VENDOR_")) and isinstance(value, str)
    }
    return {f"order.{step}" for step in steps} | named


def _references(node: object) -> Iterator[str]:
    children: list[object] = []
    if isinstance(node, dict):
        if isinstance(target := node.get("$ref"), str):
            yield target
        children = list(node.values())
    elif isinstance(node, list):
        children = node
    for child in children:
        yield from _references(child)


def _resolve(document: dict[str, Any], reference: str) -> Any:
    node: Any = document
    for key in reference.removeprefix("#/").split("/"):
        node = node[key]
    return node


def test_it_is_an_asyncapi_document_whose_references_lead_somewhere(
    document: dict[str, Any],
) -> None:
    assert document["asyncapi"] == "3.0.0"
    assert document["info"].keys() >= {"title", "version"}
    for reference in _references(document):
        assert _resolve(document, reference)
    channels = {f"#/channels/{name}" for name in document["channels"]}
    operations = document["operations"].values()
    assert {operation["channel"]["$ref"] for operation in operations} == channels
    assert {operation["action"] for operation in operations} == {"send"}


def test_it_has_every_type_that_the_domain_can_make(document: dict[str, Any]) -> None:
    messages = document["components"]["messages"]
    assert messages.keys() == _types()
    assert [message["name"] for message in messages.values()] == list(messages)


def test_each_channel_has_the_messages_of_its_routing_keys(document: dict[str, Any]) -> None:
    found: list[str] = []
    for channel in document["channels"].values():
        steps = channel["parameters"]["step"]["enum"]
        keys = [channel["address"].replace("{step}", step) for step in steps]
        assert list(channel["messages"]) == keys
        found += keys
        exchange = _resolve(document, channel["bindings"]["amqp"]["$ref"])["exchange"]
        assert (exchange["type"], exchange["durable"]) == ("topic", True)
    assert set(found) == _types()


def _trade_orders(shop: Shop) -> None:
    hold = shop.order_actions.hold
    ordered, released, expired = (
        attrs.evolve(wish(apple=1), hold_for=HOUR, request_id="req") for _ in range(3)
    )
    shop.place(ordered, released, expired)
    hold.extend(ExtendHold(order_id=ordered.order_id, span=2 * HOUR), str)
    shop.order_actions.order_holds([OrderHold(order_id=ordered.order_id)])
    hold.release(released.order_id)
    shop.pass_time(hours=1, seconds=1)
    shop.expire_holds()
    shop.fulfil(shop.order(ordered.order_id))
    shop.order_actions.give_back([ReturnOrder(order_id=ordered.order_id, by="token:1")])
    failed = shop.accepted(apple=1)
    shop.fail_orders({failed.id: "no vendor has it"})
    part = attrs.evolve(wish(apple=3), reference="PO-1")
    shop.place(part)
    one = (OrderLine(product_id="apple", quantity=1),)
    shop.order_actions.cancel([CancelOrder(order_id=part.order_id, lines=one)])
    shop.cancel(part.order_id)


def _trade_backorders(shop: Shop) -> None:
    shop.sync("acme", {"apple": 10, "fig": 1})
    more = StockUpdate(product_id="fig", quantity=1, expected_at=shop.clock.now() + HOUR)
    acme = Vendor(id="acme", name="Acme")
    shop.update_vendor_stock(acme, SAME_CLOCK, [more], lambda _: "")
    waiting = attrs.evolve(wish(fig=2), on_shortage=OnShortage.BACKORDER)
    shop.place(waiting)
    shop.sync("acme", {"apple": 10, "fig": 5})
    shop.fill_backorders()
    partial = attrs.evolve(wish(fig=9), on_shortage=OnShortage.SPLIT, rest_order_id=next_order_id())
    shop.place(partial)


def _trouble_vendors(shop: Shop) -> None:
    terms = attrs.evolve(SAME_CLOCK, max_age=HOUR, max_cut=0.5)

    def report(**quantities: int) -> None:
        shop.sync_vendor(Feed(snapshot("globex", quantities, shop.clock.now()), terms))
        shop.pass_time(minutes=1)

    report(pear=3)
    shop.set_product("pear", None, ProductLimits(low_at=2))
    shop.accepted(pear=3)
    report(pear=10)
    shop.pass_time(hours=2)
    shop.withhold_stale_stock()
    report(pear=10)
    report(pear=0)
    report(pear=10)


@pytest.fixture(scope="module")
def published() -> list[dict[str, Any]]:
    """All that a shop says in which everything happens."""
    shop = Shop()
    shop.sync("acme", {"apple": 10})
    _trade_orders(shop)
    _trade_backorders(shop)
    _trouble_vendors(shop)
    assert shop.discrepancies() == []
    return list(cloud_events(shop.storage.event_feed.read(0, 10_000)))


def _strict(document: dict[str, Any]) -> dict[str, Any]:
    """The components, with nothing allowed that they do not name."""
    components: dict[str, Any] = deepcopy(document["components"])
    for schema in components["schemas"].values():
        if "properties" in schema:
            schema["additionalProperties"] = False
    return components


def _validator(components: dict[str, Any], type_: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        {
            "allOf": [{"$ref": f"#/components/messages/{type_}/payload"}],
            "components": components,
        },
        validate_formats=True,
    )


def test_everything_happens_in_the_shop(published: list[dict[str, Any]]) -> None:
    assert {event["type"] for event in published} == _types()


def test_what_is_published_is_as_it_says(
    document: dict[str, Any], published: list[dict[str, Any]]
) -> None:
    components = _strict(document)
    for event in published:
        errors = _validator(components, event["type"]).iter_errors(event)
        assert [error.message for error in errors] == [], event


def test_an_event_of_another_type_is_not_as_it_says(
    document: dict[str, Any], published: list[dict[str, Any]]
) -> None:
    components = _strict(document)
    for event in published:
        for type_ in sorted(_types() - {event["type"]}):
            assert not _validator(components, type_).is_valid(event)


@pytest.mark.parametrize(
    "change",
    [
        {"sequence": None},
        {"time": "yesterday"},
        {"subject": "7"},
        {"data": {"status": "reserved"}},
        {"data": {"status": "reserved", "lines": []}},
        {"extra": 1},
    ],
)
def test_what_is_wrong_is_found(
    document: dict[str, Any], published: list[dict[str, Any]], change: dict[str, object]
) -> None:
    good = next(event for event in published if event["type"] == "order.reserved")
    bad = {key: value for key, value in {**good, **change}.items() if value is not None}
    assert not _validator(_strict(document), "order.reserved").is_valid(bad)

"""Messages that were given up, as an operator sees and replays them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from uuid import UUID

import attrs
import pytest

from order_aggregator import FulfilOrders, Offer, OrderStatus, highest_then_even
from order_aggregator.domain.allocation import Plan
from order_aggregator.entrypoints.dead_letters import (
    UnknownDeadLetter,
    details,
    listing,
    settle,
    settle_all,
    show,
    table,
)
from order_aggregator.entrypoints.documents import dead_letter_text
from worker_shop import RULE, Shop


@attrs.define
class BrokenPolicy:
    """Raises until it is mended."""

    mended: bool = False

    def __call__(self, quantity: int, offers: Sequence[Offer]) -> Plan:
        if not self.mended:
            raise ZeroDivisionError("a bug in the policy")
        return highest_then_even(quantity, offers)


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    yield shop
    assert list(shop.storage.ledger.discrepancies()) == []


@pytest.fixture
def policy(shop: Shop) -> BrokenPolicy:
    """The shop's policy: every order is parked until it is mended."""
    policy = BrokenPolicy()
    shop.fulfil = FulfilOrders(shop.storage.unit_of_work, shop.clock, policy)
    return policy


def park(shop: Shop, orders: int = 1) -> list[UUID]:
    """Place orders that are given up."""
    placed = [shop.place() for _ in range(orders)]
    shop.step(shop.worker(), times=RULE.max_attempts)
    assert len(shop.bus.parked) == orders
    return placed


def test_an_order_that_was_given_up_is_fulfilled_once_by_replaying_it_when_the_cause_is_mended(
    shop: Shop, policy: BrokenPolicy
) -> None:
    [order_id] = park(shop)
    [letter] = listing(shop.bus)
    assert "a bug in the policy" in letter.reason
    assert shop.order(order_id).status is OrderStatus.RESERVED
    policy.mended = True
    assert settle(shop.bus, shop.bus.replay, [letter.id]) == [letter]
    shop.step(shop.worker())
    assert shop.order(order_id).status is OrderStatus.FULFILLED
    assert shop.storage.read_model.stock(0, 1).items[0].on_hand == 9
    assert listing(shop.bus) == []
    assert shop.queued() == 0


def test_replaying_an_order_that_was_fulfilled_meanwhile_changes_nothing(
    shop: Shop, policy: BrokenPolicy
) -> None:
    [order_id] = park(shop)
    policy.mended = True
    shop.fulfil([order_id])
    fulfilled = shop.order(order_id)
    assert len(settle_all(shop.bus, shop.bus.replay)) == 1
    shop.step(shop.worker())
    assert shop.order(order_id) == fulfilled
    assert shop.storage.read_model.stock(0, 1).items[0].on_hand == 9
    assert listing(shop.bus) == []


def test_replaying_a_failed_order_leaves_it_failed(shop: Shop) -> None:
    shop.stock("cup", 5)
    short = shop.place("cup", 5)
    shop.lose("cup", 3)
    shop.step(shop.worker(), times=RULE.max_attempts + 1, timeout=0.2)
    assert shop.order(short).status is OrderStatus.FAILED
    failed = shop.order(short)
    assert len(settle_all(shop.bus, shop.bus.replay)) == 1
    shop.step(shop.worker())
    assert shop.order(short) == failed
    assert listing(shop.bus) == []


def test_what_is_replayed_before_the_cause_is_mended_is_given_up_again(
    shop: Shop, policy: BrokenPolicy
) -> None:
    [order_id] = park(shop)
    settle_all(shop.bus, shop.bus.replay)
    shop.step(shop.worker(), times=RULE.max_attempts)
    assert len(listing(shop.bus)) == 1
    assert shop.order(order_id).status is OrderStatus.RESERVED


def test_an_unknown_id_is_named_and_nothing_is_settled(shop: Shop, policy: BrokenPolicy) -> None:
    park(shop)
    [letter] = listing(shop.bus)
    for step in (shop.bus.replay, shop.bus.discard):
        with pytest.raises(UnknownDeadLetter, match=r"^no dead letter x, y$"):
            settle(shop.bus, step, ["x", letter.id, "y"])
    with pytest.raises(UnknownDeadLetter, match=r"^no dead letter x$"):
        show(shop.bus, "x")
    assert show(shop.bus, letter.id) == letter


def test_all_are_listed_and_settled_however_many_there_are(
    shop: Shop, policy: BrokenPolicy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("order_aggregator.entrypoints.dead_letters.PAGE", 2)
    park(shop, orders=5)
    assert [len(listing(shop.bus, limit)) for limit in (1, 3, 9, None)] == [1, 3, 5, 5]
    assert len(settle_all(shop.bus, shop.bus.discard)) == 5
    assert listing(shop.bus) == []


def test_a_dead_letter_is_shown_with_its_orders(shop: Shop, policy: BrokenPolicy) -> None:
    [order_id] = park(shop)
    [letter] = listing(shop.bus)
    header, row = table([letter])
    assert header.split() == ["ID", "PARKED", "ATTEMPTS", "REASON", "ORDERS"]
    assert row.split()[0] == letter.id
    assert row.endswith(str(order_id))
    assert f"  order {order_id}" in details(letter)
    assert json.loads(dead_letter_text(letter))["order_ids"] == [str(order_id)]


def test_a_message_that_makes_no_sense_is_shown_without_obeying_it(shop: Shop) -> None:
    shop.bus.publish([b"\x1b[2Jboo"])
    shop.step(shop.worker())
    [letter] = listing(shop.bus)
    assert list(table([letter]))[1].endswith("unreadable")
    assert not any("\x1b" in line for line in [*table([letter]), *details(letter)])

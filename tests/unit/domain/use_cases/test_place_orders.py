"""Accepting orders: all of an order or nothing, first come, first served, never twice."""

from __future__ import annotations

from uuid import UUID

import attrs
import pytest

from order_aggregator.adapters.memory import ManualClock, MemoryStorage
from order_aggregator.domain.errors import (
    Conflict,
    IdempotencyKeyReused,
    InsufficientStock,
    InvalidValue,
    Shortage,
    UnknownProducts,
)
from order_aggregator.domain.order import Order, OrderStatus
from order_aggregator.domain.ports.unit_of_work import UnitOfWork
from order_aggregator.domain.use_cases.place_orders import ATTEMPTS, PlaceOrder, PlaceOrders
from order_aggregator.testing.shop import Shop, announced, lines, next_order_id, wish


@pytest.fixture
def shop() -> Shop:
    """Sells 5 apples and 3 pears."""
    shop = Shop()
    shop.sync("acme", {"apple": 5, "pear": 3})
    return shop


def _announced(shop: Shop) -> list[UUID]:
    """The orders whose messages are relayed, in their order."""
    shop.relay_messages()
    with shop.bus.consume() as consumer:
        deliveries = consumer.receive(1000, 0)
        consumer.acknowledge(deliveries)
    return announced(deliveries)


def test_an_accepted_order_is_stored_reserved_and_announced(shop: Shop) -> None:
    order = shop.accepted(apple=2, pear=1)
    assert order.status is OrderStatus.RESERVED
    assert order.created_at == order.updated_at == shop.clock.now()
    assert shop.order(order.id) == order
    assert shop.balance("apple") == (5, 2)
    assert shop.balance("pear") == (3, 1)
    assert _announced(shop) == [order.id]
    assert shop.discrepancies() == []


def test_a_batch_is_served_first_come_first_served(shop: Shop) -> None:
    outcomes = shop.place(wish(apple=3), wish(apple=3), wish(apple=2), wish(apple=1))
    kinds = [type(outcome) for outcome in outcomes]
    assert kinds == [Order, InsufficientStock, Order, InsufficientStock]
    assert shop.balance("apple") == (5, 5)
    assert _announced(shop) == [o.id for o in outcomes if isinstance(o, Order)]


def test_a_refusal_names_all_shortages_at_once(shop: Shop) -> None:
    [refusal] = shop.place(wish(apple=6, pear=4))
    assert isinstance(refusal, InsufficientStock)
    assert refusal.shortages == (
        Shortage(product_id="apple", requested=6, available=5),
        Shortage(product_id="pear", requested=4, available=3),
    )


def test_a_refusal_names_all_unknown_products_at_once(shop: Shop) -> None:
    [refusal] = shop.place(wish(kiwi=1, apple=9, fig=1))
    assert isinstance(refusal, UnknownProducts)
    assert refusal.product_ids == ("kiwi", "fig")


def test_a_refused_order_leaves_nothing_behind(shop: Shop) -> None:
    shop.place(wish(apple=5, pear=4), wish(key="k", apple=1, kiwi=1))
    assert shop.balance("apple") == (5, 0)
    assert shop.storage.read_model.orders(0, 10).total == 0
    assert _announced(shop) == []
    # The key of a refused order is free.
    shop.accepted(key="k", apple=1)


def test_a_refused_order_does_not_harm_its_neighbours(shop: Shop) -> None:
    outcomes = shop.place(wish(apple=1), wish(kiwi=1), wish(apple=9), wish(pear=1))
    assert [isinstance(outcome, Order) for outcome in outcomes] == [True, False, False, True]


def test_an_empty_batch_is_answered_with_nothing(shop: Shop) -> None:
    assert shop.place() == []


def test_a_repeated_idempotency_key_gets_the_first_order_back(shop: Shop) -> None:
    first = shop.accepted(key="k", apple=2, pear=1)
    shop.pass_time(hours=1)
    assert shop.place(wish(key="k", apple=2, pear=1)) == [first]
    assert shop.balance("apple") == (5, 2)
    assert _announced(shop) == [first.id]


def test_the_order_of_the_lines_does_not_matter_to_an_idempotency_key(shop: Shop) -> None:
    first = shop.accepted(key="k", apple=2, pear=1)
    assert shop.place(wish(key="k", pear=1, apple=2)) == [first]


def test_a_key_is_not_of_the_one_who_wants_the_order(shop: Shop) -> None:
    """As when another user of the machine repeats a command."""
    first = shop.accepted(key="k", apple=2)
    assert shop.place(attrs.evolve(wish(key="k", apple=2), by="cli:ann")) == [first]


def test_a_repeated_key_gets_its_order_even_when_nothing_is_left(shop: Shop) -> None:
    first = shop.accepted(key="k", apple=5)
    assert shop.place(wish(key="k", apple=5)) == [first]


def test_a_repeated_key_gets_its_order_as_it_was_placed(shop: Shop) -> None:
    first = shop.accepted(key="k", apple=2)
    shop.fulfil(first)
    [again] = shop.place(wish(key="k", apple=2))
    assert isinstance(again, Order)
    assert again == first


@pytest.mark.parametrize("other", [{"apple": 1}, {"pear": 2}, {"apple": 2, "pear": 1}, {"kiwi": 2}])
def test_an_idempotency_key_with_other_lines_is_refused(shop: Shop, other: dict[str, int]) -> None:
    first = shop.accepted(key="k", apple=2)
    [refusal] = shop.place(wish("k", **other))
    assert isinstance(refusal, IdempotencyKeyReused)
    assert (refusal.key, refusal.order_id) == ("k", first.id)
    assert shop.balance("apple") == (5, 2)


def test_an_idempotency_key_counts_within_a_batch_too(shop: Shop) -> None:
    first, same, other = shop.place(
        wish(key="k", apple=2), wish(key="k", apple=2), wish(key="k", apple=1)
    )
    assert isinstance(first, Order)
    assert same == first
    assert isinstance(other, IdempotencyKeyReused)
    assert shop.balance("apple") == (5, 2)
    assert _announced(shop) == [first.id]


def test_orders_without_a_key_are_never_taken_for_one_another(shop: Shop) -> None:
    first, second = shop.place(wish(apple=1), wish(apple=1))
    assert first != second
    assert shop.balance("apple") == (5, 2)


def test_the_same_order_id_twice_in_a_batch_is_one_order(shop: Shop) -> None:
    command = wish(apple=2)
    first, second = shop.place(command, command)
    assert first == second
    assert shop.balance("apple") == (5, 2)


def test_a_new_attempt_finds_what_the_earlier_one_committed(shop: Shop) -> None:
    commands = [wish(apple=4), wish(apple=4)]
    accepted, refused = shop.place(*commands)
    shop.pass_time(seconds=1)
    assert isinstance(refused, InsufficientStock)
    assert shop.place(*commands, recheck=True)[0] == accepted
    assert shop.balance("apple") == (5, 4)


def test_a_new_attempt_places_what_the_earlier_one_did_not_commit(shop: Shop) -> None:
    [order] = shop.place(wish(apple=4), recheck=True)
    assert isinstance(order, Order)
    assert shop.balance("apple") == (5, 4)


def test_an_order_id_that_exists_is_found_even_without_being_told_to_look(shop: Shop) -> None:
    """The storage's Conflict makes it look."""
    command = wish(apple=2)
    first = shop.place(command)
    assert shop.place(command) == first
    assert shop.balance("apple") == (5, 2)


@attrs.define
class _Contended:
    """A storage whose first units of work meet a conflict."""

    storage: MemoryStorage
    conflicts: int
    attempts: int = 0

    def unit_of_work(self) -> UnitOfWork:
        self.attempts += 1
        if self.attempts <= self.conflicts:
            raise Conflict("somebody else was first")
        return self.storage.unit_of_work()


def test_a_conflict_is_tried_again(shop: Shop) -> None:
    assert isinstance(shop.storage, MemoryStorage)
    contended = _Contended(shop.storage, conflicts=ATTEMPTS - 1)
    [order] = PlaceOrders(contended.unit_of_work, ManualClock())([wish(apple=1)])
    assert isinstance(order, Order)


def test_conflicts_without_end_are_told_to_the_caller(shop: Shop) -> None:
    assert isinstance(shop.storage, MemoryStorage)
    contended = _Contended(shop.storage, conflicts=ATTEMPTS)
    with pytest.raises(Conflict):
        PlaceOrders(contended.unit_of_work, ManualClock())([wish(apple=1)])
    assert contended.attempts == ATTEMPTS
    assert shop.balance("apple") == (5, 0)


@pytest.mark.parametrize("key", ["", "x" * 256, "a\x00", "\ud800", 7])
def test_an_idempotency_key_must_be_text_that_can_be_stored(key: str) -> None:
    with pytest.raises(InvalidValue, match="idempotency_key"):
        wish(key=key, apple=1)


def test_a_wish_needs_lines() -> None:
    with pytest.raises(InvalidValue, match="lines"):
        PlaceOrder(order_id=next_order_id(), lines=lines({}))

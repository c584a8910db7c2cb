"""Requests that are carried out once."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

import attrs
import pytest

from order_aggregator.adapters.memory.message_bus import MemoryMessageBus
from order_aggregator.domain.errors import (
    BrokerUnavailable,
    Conflict,
    IdempotencyKeyReused,
    UnknownDeadLetter,
    UnknownWebhook,
)
from order_aggregator.domain.order import Order
from order_aggregator.domain.ports.message_bus import DeadLetter
from order_aggregator.domain.ports.unit_of_work import UnitOfWork
from order_aggregator.domain.use_cases.cancel_orders import CancelOrder, CancelOrders
from order_aggregator.domain.use_cases.dead_letter_actions import DeadLetterActions
from order_aggregator.domain.use_cases.hold_actions import ExtendHold, HoldActions
from order_aggregator.domain.use_cases.idempotency import (
    Answer,
    RequestKey,
    once_in_transaction,
)
from order_aggregator.domain.use_cases.order_holds import OrderHold, OrderHolds
from order_aggregator.testing.race import race
from order_aggregator.testing.shop import Shop, wish

REQUEST = RequestKey(key="k", digest="00ff")
OTHER = RequestKey(key="k", digest="other")


@pytest.fixture
def shop() -> Shop:
    shop = Shop()
    shop.sync("acme", {"apple": 9})
    return shop


class Crowded:
    """A storage where others get in the way of every transaction but each fifth."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self.opened = 0

    def __call__(self) -> UnitOfWork:
        self.opened += 1
        if self.opened % 5:
            raise Conflict
        return self._shop.storage.unit_of_work()


def test_of_many_equal_requests_at_once_one_has_an_effect(shop: Shop) -> None:
    effects = []

    def carry_out() -> Answer:
        def effect(_uow: UnitOfWork, _now: datetime) -> str:
            effects.append(1)
            return f"effect {len(effects)}"

        return once_in_transaction(shop.storage.unit_of_work, shop.clock, REQUEST, effect)

    answers = race([carry_out] * 8)
    assert len({answer.text for answer in answers}) == 1
    assert sorted(answer.replayed for answer in answers) == [False] + [True] * 7


class Overtaken:
    """A storage in which the same request is carried out just before its second transaction."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._opened = 0

    def __call__(self) -> UnitOfWork:
        self._opened += 1
        work = self._shop.storage.unit_of_work
        if self._opened == 2:
            once_in_transaction(work, self._shop.clock, REQUEST, lambda _uow, _now: "done")
        return work()


def test_who_is_refused_because_it_was_done_meanwhile_is_told_what_was_answered(
    shop: Shop,
) -> None:
    def late(_uow: UnitOfWork, _now: datetime) -> str:
        raise UnknownWebhook("gone")

    answer = once_in_transaction(Overtaken(shop), shop.clock, REQUEST, late)
    assert (answer.text, answer.replayed) == ("done", True)
    with pytest.raises(UnknownWebhook):
        once_in_transaction(Overtaken(shop), shop.clock, None, late)


def test_a_webhook_is_removed_once(shop: Shop) -> None:
    actions = shop.webhook_actions()
    webhook = actions.add("https://shop.example/")
    assert not actions.remove(webhook.id, REQUEST).replayed
    assert actions.remove(webhook.id, REQUEST).replayed
    with pytest.raises(UnknownWebhook):
        actions.remove(webhook.id)
    with pytest.raises(IdempotencyKeyReused):
        actions.remove(webhook.id, OTHER)


def test_the_steps_of_a_hold_are_tried_again(shop: Shop) -> None:
    hold = _hold(shop)
    crowded = Crowded(shop)
    actions = HoldActions(crowded, shop.clock, shop.shared_clock)
    cancel = CancelOrders(crowded, shop.clock).once
    steps: list[Callable[[], Answer]] = [
        lambda: actions.extend(ExtendHold(order_id=hold.id, span=timedelta(hours=1)), _id, REQUEST),
        lambda: OrderHolds(crowded, shop.clock, shop.shared_clock).once(
            OrderHold(order_id=hold.id), _id
        ),
        lambda: cancel(CancelOrder(order_id=hold.id), _id, None),
    ]
    assert {step().text for step in steps} == {str(hold.id)}
    assert actions.release(hold.id).text == ""
    assert crowded.opened == 20


def test_a_hold_is_given_up_once(shop: Shop) -> None:
    actions, hold = shop.order_actions.hold, _hold(shop)
    assert [actions.release(hold.id, REQUEST).replayed for _ in range(2)] == [False, True]
    assert shop.balance("apple") == (9, 0)
    with pytest.raises(IdempotencyKeyReused):
        actions.release(hold.id, OTHER)


class Failing(MemoryMessageBus):
    """A bus that breaks down as a message is settled, if it is told to."""

    broken = False

    def replay(self, ids: Collection[str]) -> list[DeadLetter]:
        if self.broken:
            raise BrokerUnavailable("gone")
        return super().replay(ids)


def test_a_dead_letter_whose_replay_broke_down_is_replayed_by_the_same_request(shop: Shop) -> None:
    bus = Failing()
    letters = DeadLetterActions(shop.storage.unit_of_work, shop.clock, bus)
    bus.publish([b"nonsense"])
    with bus.consume() as consumer:
        consumer.park([(each, "a bug") for each in consumer.receive(1, 1)])
        [letter] = bus.dead_letters(9)
        bus.broken = True
        with pytest.raises(BrokerUnavailable):
            letters.replay(letter.id, lambda each: each.reason, REQUEST)
        bus.broken = False
        answers = [letters.replay(letter.id, lambda each: each.reason, REQUEST) for _ in "ab"]
        assert {(answer.text, answer.replayed) for answer in answers} == {("a bug", True)}
        assert [each.body for each in consumer.receive(9, 0)] == [b"nonsense"]
    with pytest.raises(IdempotencyKeyReused):
        letters.discard(letter.id, OTHER)
    with pytest.raises(UnknownDeadLetter):
        letters.discard(letter.id)


def test_a_sync_that_died_before_it_was_remembered_is_done_again(shop: Shop) -> None:
    pulls = []

    def pull() -> str:
        pulls.append(1)
        if len(pulls) == 1:
            raise KeyboardInterrupt
        return "pulled"

    with pytest.raises(KeyboardInterrupt):
        shop.carry_out_once(REQUEST, pull)
    assert [shop.carry_out_once(REQUEST, pull).replayed for _ in range(2)] == [False, True]
    assert len(pulls) == 2


def _hold(shop: Shop) -> Order:
    [hold] = shop.place(attrs.evolve(wish(apple=2), hold_for=timedelta(minutes=5)))
    assert isinstance(hold, Order)
    return hold


def _id(order: Order) -> str:
    return str(order.id)

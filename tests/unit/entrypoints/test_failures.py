"""What becomes of orders that could not be fulfilled, and of a worker that one of them kills."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from contextlib import suppress
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

import pytest

from order_aggregator import ConstraintViolated, Order, OrderStatus
from order_aggregator.adapters.wire import decode
from order_aggregator.entrypoints import worker
from order_aggregator.entrypoints.failures import LONGEST_DELAY, FailureAction, RetryPolicy
from order_aggregator.entrypoints.worker import Worker
from worker_shop import Killed, Shop

S = TypeVar("S", bound=Sized)
R = TypeVar("R")

# As many deliveries as the buses allow.
DELIVERY_LIMIT = 20


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    yield shop
    assert list(shop.storage.ledger.discrepancies()) == []


def retrying(max_attempts: int) -> RetryPolicy:
    """So many attempts, one right after the other."""
    return RetryPolicy(max_attempts=max_attempts, first_delay=timedelta(microseconds=1))


def counted(step: Callable[[S], R], sizes: list[int]) -> Callable[[S], R]:
    """The step, with a list of how many orders it was called for."""

    def call(orders: S) -> R:
        sizes.append(len(orders))
        return step(orders)

    return call


def short_orders(shop: Shop, count: int, product_id: str = "cup") -> list[UUID]:
    """So many orders, each announced alone, of a product that the vendor then has no more."""
    shop.stock(product_id, count)
    orders = [shop.place(product_id) for _ in range(count)]
    shop.lose(product_id, count)
    return orders


def step_with_all(shop: Shop, worker: Worker) -> None:
    """Receive and handle what was returned together with what was not."""
    with shop.bus.consume() as consumer:
        deliveries = [*consumer.receive(100, 1), *consumer.receive(100, 0)]
        deliveries.sort(key=lambda delivery: -delivery.attempt)
        worker.handle(consumer, worker.read(consumer, deliveries))


def statuses(shop: Shop, orders: Sequence[UUID]) -> set[OrderStatus]:
    """What has become of them."""
    return {shop.order(order_id).status for order_id in orders}


def test_short_orders_are_retried_and_failed_together(shop: Shop) -> None:
    short = short_orders(shop, 40)
    fulfilled: list[int] = []
    recorded: list[int] = []
    failed: list[int] = []
    worker = shop.worker(
        fulfil=counted(shop.fulfil, fulfilled),
        record=counted(shop.record, recorded),
        fail=counted(shop.fail, failed),
        rule=retrying(6),
    )
    shop.step(worker, times=6)
    assert (fulfilled, recorded, failed) == ([40] * 6, [40] * 5, [40])
    assert statuses(shop, short) == {OrderStatus.FAILED}
    assert sorted(decode(body)[0] for body, _ in shop.bus.parked) == sorted(short)


def test_an_order_that_never_failed_does_not_wait_for_those_that_did(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    short_orders(shop, 4)
    shop.step(shop.worker(rule=retrying(6)))
    good = [shop.place("tea") for _ in range(2)]
    monkeypatch.setattr(worker, "BATCH", 2)
    batches: list[Sequence[UUID]] = []

    def fulfil(order_ids: Sequence[UUID]) -> Mapping[UUID, Order | Exception]:
        batches.append(order_ids)
        return shop.fulfil(order_ids)

    step_with_all(shop, shop.worker(fulfil=fulfil, rule=retrying(6)))
    assert [len(batch) for batch in batches] == [2, 2, 2]
    assert batches[0] == good


@pytest.mark.parametrize("step", ["fulfil", "fail"])
def test_short_orders_are_not_given_up_for_one_that_kills_its_worker(shop: Shop, step: str) -> None:
    killer, *others = short_orders(shop, 9)

    def fulfil(order_ids: Sequence[UUID]) -> Mapping[UUID, Order | Exception]:
        if step == "fulfil" and killer in order_ids:
            raise Killed
        return shop.fulfil(order_ids)

    def fail(reasons: Mapping[UUID, str]) -> None:
        if step == "fail" and killer in reasons:
            raise Killed
        shop.fail(reasons)

    worker = shop.worker(fulfil=fulfil, fail=fail, rule=retrying(3))
    for _ in range(DELIVERY_LIMIT):
        with suppress(Killed):
            shop.step(worker, timeout=0.01)
    assert statuses(shop, others) == {OrderStatus.FAILED}
    assert shop.order(killer).status is OrderStatus.RESERVED


def test_an_order_that_begins_to_kill_its_worker_after_it_was_short_is_tried_alone_too(
    shop: Shop,
) -> None:
    killer, *others = short_orders(shop, 9)
    kills = False

    def fulfil(order_ids: Sequence[UUID]) -> Mapping[UUID, Order | Exception]:
        if kills and killer in order_ids:
            raise Killed
        return shop.fulfil(order_ids)

    worker = shop.worker(fulfil=fulfil, rule=retrying(10))
    shop.step(worker, times=5)
    kills = True
    good = [shop.place("tea") for _ in range(9)]
    for _ in range(DELIVERY_LIMIT - 5):
        with suppress(Killed):
            shop.step(worker, timeout=0.01)
    assert statuses(shop, good) == {OrderStatus.FULFILLED}
    assert statuses(shop, others) == {OrderStatus.FAILED}
    assert shop.order(killer).status is OrderStatus.RESERVED


def test_what_fails_alone_is_tried_together_again(shop: Shop) -> None:
    short_orders(shop, 5)
    sizes: list[int] = []

    def fulfil(order_ids: Sequence[UUID]) -> Mapping[UUID, Order | Exception]:
        sizes.append(len(order_ids))
        if len(sizes) <= 2:
            raise Killed
        return shop.fulfil(order_ids)

    worker = shop.worker(fulfil=fulfil, rule=retrying(6))
    for _ in range(6):
        with suppress(Killed):
            shop.step(worker)
    assert sizes == [5, 5, *[1] * 5, 5, 5, 5]


def test_an_order_that_crashes_is_tried_with_others_twice_only(shop: Shop) -> None:
    crashing = shop.place("tea")
    sizes: list[int] = []

    def fulfil(order_ids: Sequence[UUID]) -> Mapping[UUID, Order | Exception]:
        sizes.append(len(order_ids))
        if crashing in order_ids:
            raise ConstraintViolated("a constraint")
        return shop.fulfil(order_ids)

    worker = shop.worker(fulfil=fulfil, rule=retrying(4))
    for _ in range(4):
        good = [shop.place("tea") for _ in range(2)]
        step_with_all(shop, worker)
        assert statuses(shop, good) == {OrderStatus.FULFILLED}
    assert sizes == [3, 1, 1, 1, 3, 1, 1, 1, 2, 1, 2, 1]
    assert len(shop.bus.parked) == 1
    assert shop.order(crashing).status is OrderStatus.RESERVED


def test_an_order_that_cannot_be_failed_is_parked_and_harms_no_neighbour(shop: Shop) -> None:
    short = short_orders(shop, 5)

    def fail(reasons: Mapping[UUID, str]) -> None:
        if short[2] in reasons:
            raise ConstraintViolated("a constraint")
        shop.fail(reasons)

    shop.step(shop.worker(fail=fail, rule=retrying(2)), times=2)
    assert [shop.order(order_id).status for order_id in short] == [
        *[OrderStatus.FAILED] * 2,
        OrderStatus.RESERVED,
        *[OrderStatus.FAILED] * 2,
    ]
    assert len(shop.bus.parked) == 5
    assert shop.queued() == 0


def test_delays_double_with_each_attempt_up_to_a_minute() -> None:
    rule = RetryPolicy(max_attempts=8, first_delay=timedelta(seconds=0.5))
    assert [rule.delay(attempt) for attempt in (1, 2, 3, 7)] == [0.5, 1.0, 2.0, 32.0]
    assert [rule.delay(attempt) for attempt in (8, 20)] == [LONGEST_DELAY.total_seconds()] * 2
    slow = RetryPolicy(max_attempts=8, first_delay=timedelta(days=1))
    assert slow.delay(1) == LONGEST_DELAY.total_seconds()


def test_the_limit_counts_attempts() -> None:
    rule = RetryPolicy(max_attempts=2, first_delay=timedelta(seconds=1))
    assert rule.action(ValueError(), 1) is FailureAction.RETRY
    assert rule.action(ValueError(), 2) is FailureAction.PARK

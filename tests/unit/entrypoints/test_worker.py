"""The worker on the in-memory adapters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import count
from threading import Barrier, Event, Thread
from time import sleep
from uuid import UUID, uuid4

import pytest

from order_aggregator import ConstraintViolated, Order, OrderStatus, StorageUnavailable
from order_aggregator.adapters.wire import decode, encode
from order_aggregator.entrypoints import worker
from order_aggregator.entrypoints.runtime.liveness import liveness
from service import eventually
from worker_shop import RULE, Killed, Shop


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    yield shop
    assert list(shop.storage.ledger.discrepancies()) == []


def test_a_batch_is_fulfilled_and_acknowledged(shop: Shop) -> None:
    orders = [shop.place(quantity=2) for _ in range(3)]
    shop.step(shop.worker())
    assert [shop.order(key).status for key in orders] == [OrderStatus.FULFILLED] * 3
    assert shop.queued() == 0
    assert shop.storage.read_model.stock(0, 1).items[0].on_hand == 4


def test_a_redelivered_order_is_acknowledged_and_deducted_once(shop: Shop) -> None:
    order_id = shop.place(quantity=2)
    body = encode((order_id, order_id))
    shop.bus.publish([body] * 2)
    shop.step(shop.worker(), times=1)
    shop.bus.publish([body])
    shop.step(shop.worker(), times=1)
    assert shop.queued() == 0
    assert shop.storage.read_model.stock(0, 1).items[0].on_hand == 8


@pytest.mark.parametrize(
    "body",
    [b"", b"not json", b"[]", b'{"version": 2}', b'{"version": 2, "order_ids": ["x"]}', b"\xff"],
)
def test_an_unreadable_message_is_parked_at_once(shop: Shop, body: bytes) -> None:
    order_id = shop.place()
    shop.bus.publish([body])
    shop.step(shop.worker())
    assert [parked for parked, _ in shop.bus.parked] == [body]
    assert shop.order(order_id).status is OrderStatus.FULFILLED
    assert shop.queued() == 0


def test_an_unknown_order_is_parked_at_once(shop: Shop) -> None:
    body = encode((uuid4(),))
    shop.bus.publish([body])
    shop.step(shop.worker())
    assert [parked for parked, _ in shop.bus.parked] == [body]


def test_a_short_order_is_returned_then_failed_and_parked_and_releases_its_stock(
    shop: Shop,
) -> None:
    shop.stock("cup", 5)
    short = shop.place("cup", 5)
    shop.lose("cup", 3)
    worker = shop.worker()
    shop.step(worker)
    neighbour = shop.place("tea")
    assert shop.order(short).status is OrderStatus.RESERVED
    shop.step(worker, times=3, timeout=0.5)
    assert shop.order(neighbour).status is OrderStatus.FULFILLED
    failed = shop.order(short)
    assert failed.status is OrderStatus.FAILED
    assert failed.failure is not None
    assert "cup: 5 requested, 2 available" in failed.failure
    assert len(shop.bus.parked) == 1
    level = shop.storage.read_model.stock(0, 1, "cup").items[0]
    assert (level.on_hand, level.reserved, level.available) == (2, 0, 2)


def test_a_short_order_is_announced_alone_and_harms_none_that_were_announced_with_it(
    shop: Shop,
) -> None:
    shop.stock("cup", 5)
    first, short, last = shop.place_together(("tea", 1), ("cup", 5), ("tea", 1))
    shop.lose("cup", 3)
    worker = shop.worker()
    shop.step(worker)
    statuses = [shop.order(key).status for key in (first, short, last)]
    assert statuses == [OrderStatus.FULFILLED, OrderStatus.RESERVED, OrderStatus.FULFILLED]
    # Alone, it has all its attempts.
    shop.step(worker, times=RULE.max_attempts - 1)
    assert shop.order(short).status is OrderStatus.RESERVED
    shop.step(worker)
    assert shop.order(short).status is OrderStatus.FAILED
    assert [decode(body) for body, _reason in shop.bus.parked] == [(short,)]
    assert shop.queued() == 0


def test_an_unknown_order_is_parked_without_those_that_were_announced_with_it(shop: Shop) -> None:
    order_id, unknown = shop.place(), uuid4()
    with shop.bus.consume() as consumer:
        consumer.acknowledge(consumer.receive(1, 1))
    shop.bus.publish([encode((unknown, order_id))])
    shop.step(shop.worker(), times=2)
    assert shop.order(order_id).status is OrderStatus.FULFILLED
    assert [decode(body) for body, _reason in shop.bus.parked] == [(unknown,)]
    assert shop.queued() == 0


@pytest.mark.parametrize("attempt", [1, 3])
def test_an_order_stays_announced_until_it_is_announced_alone(shop: Shop, attempt: int) -> None:
    shop.stock("cup", 5)
    shop.place_together(("tea", 1), ("cup", 5))
    shop.lose("cup", 3)
    for _ in range(attempt - 1):
        with shop.bus.consume() as consumer:
            assert consumer.receive(1, 1)

    def requeue_individually(*_: object) -> Sequence[UUID]:
        raise Killed

    with suppress(Killed):
        shop.step(shop.worker(requeue_individually=requeue_individually))
    assert shop.queued() == 1


def test_one_transaction_takes_no_more_orders_than_a_batch_has(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.stock("pot", 9)
    monkeypatch.setattr(worker, "BATCH", 5)
    orders = [order_id for _ in range(3) for order_id in shop.place_together(*[("tea", 1)] * 3)]
    sizes: list[int] = []

    def fulfil(order_ids: Sequence[UUID]) -> Mapping[UUID, Order | Exception]:
        sizes.append(len(order_ids))
        return shop.fulfil(order_ids)

    shop.step(shop.worker(fulfil=fulfil))
    assert sizes == [3, 3, 3]
    monkeypatch.setattr(worker, "BATCH", 6)
    more = [order_id for _ in range(3) for order_id in shop.place_together(*[("pot", 1)] * 3)]
    shop.step(shop.worker(fulfil=fulfil))
    assert sizes == [3, 3, 3, 6, 3]
    assert {shop.order(key).status for key in orders + more} == {OrderStatus.FULFILLED}


def test_an_order_that_keeps_crashing_is_parked_and_stays_reserved(shop: Shop) -> None:
    order_id = shop.place()

    def crash(order_ids: Sequence[UUID]) -> Mapping[UUID, Order | Exception]:
        raise ZeroDivisionError

    shop.step(shop.worker(fulfil=crash), times=3)
    assert len(shop.bus.parked) == 1
    assert shop.order(order_id).status is OrderStatus.RESERVED


def test_an_order_that_brings_its_batch_down_does_not_harm_its_neighbours(shop: Shop) -> None:
    orders = [shop.place() for _ in range(5)]

    def fulfil(order_ids: Sequence[UUID]) -> Mapping[UUID, Order | Exception]:
        if orders[2] in order_ids:
            raise ConstraintViolated("a constraint")
        return shop.fulfil(order_ids)

    shop.step(shop.worker(fulfil=fulfil))
    statuses = [shop.order(order_id).status for order_id in orders]
    assert statuses.count(OrderStatus.FULFILLED) == 4
    assert statuses[2] is OrderStatus.RESERVED


@pytest.mark.parametrize("together", [False, True])
def test_an_order_that_kills_its_worker_does_not_keep_its_neighbours_back(
    shop: Shop, together: bool
) -> None:
    orders = (
        shop.place_together(*[("tea", 1)] * 6) if together else [shop.place() for _ in range(6)]
    )

    def fulfil(order_ids: Sequence[UUID]) -> Mapping[UUID, Order | Exception]:
        if orders[1] in order_ids:
            raise Killed
        return shop.fulfil(order_ids)

    for _ in range(20):
        with suppress(Killed):
            shop.step(shop.worker(fulfil=fulfil), timeout=0.01)
        shop.relay()
    statuses = [shop.order(order_id).status for order_id in orders]
    assert statuses.count(OrderStatus.FULFILLED) == 5


def test_while_the_storage_is_away_the_worker_waits_and_counts_no_attempt(shop: Shop) -> None:
    order_id = shop.place()
    calls = iter([StorageUnavailable("away"), StorageUnavailable("away")])

    def fulfil(order_ids: Sequence[UUID]) -> Mapping[UUID, Order | Exception]:
        for error in calls:
            raise error
        return shop.fulfil(order_ids)

    shop.step(shop.worker(fulfil=fulfil))
    assert shop.order(order_id).status is OrderStatus.FULFILLED
    assert shop.queued() == 0


def test_told_to_stop_while_the_storage_is_away_it_leaves_its_orders_in_the_queue(
    shop: Shop,
) -> None:
    order_id = shop.place()
    away = Event()

    def fulfil(order_ids: Sequence[UUID]) -> Mapping[UUID, Order | Exception]:
        away.set()
        raise StorageUnavailable("away")

    thread = Thread(target=shop.worker(fulfil=fulfil).run)
    thread.start()
    assert away.wait(5)
    shop.stop.set()
    thread.join(5)
    assert not thread.is_alive()
    assert shop.order(order_id).status is OrderStatus.RESERVED
    assert shop.queued() == 1


def test_told_to_stop_it_finishes_and_acknowledges_the_batch_in_hand(shop: Shop) -> None:
    order_id = shop.place()

    def fulfil(order_ids: Sequence[UUID]) -> Mapping[UUID, Order | Exception]:
        shop.stop.set()
        return shop.fulfil(order_ids)

    shop.worker(fulfil=fulfil).run()
    assert shop.order(order_id).status is OrderStatus.FULFILLED
    assert shop.queued() == 0


def test_two_full_batches_are_in_work_at_a_time(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "BATCH", 1)
    both = Barrier(2)

    def fulfil(order_ids: Sequence[UUID]) -> Mapping[UUID, Order | Exception]:
        try:
            both.wait(5)
        finally:
            shop.stop.set()
        return shop.fulfil(order_ids)

    orders = [shop.place() for _ in range(2)]
    shop.worker(fulfil=fulfil).run()
    assert [shop.order(key).status for key in orders] == [OrderStatus.FULFILLED] * 2


def test_a_batch_is_full_of_orders_not_of_messages(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "BATCH", 2)
    both = Barrier(2)
    first = shop.place_together(("tea", 1), ("tea", 1))
    second: list[UUID] = []

    def fulfil(order_ids: Sequence[UUID]) -> Mapping[UUID, Order | Exception]:
        try:
            if first[0] in order_ids:
                second.extend(shop.place_together(("tea", 1), ("tea", 1)))
            both.wait(5)
        finally:
            shop.stop.set()
        return shop.fulfil(order_ids)

    shop.worker(fulfil=fulfil).run()
    statuses = {shop.order(order_id).status for order_id in first + second}
    assert statuses == {OrderStatus.FULFILLED}


def test_what_comes_while_a_batch_that_is_not_full_is_in_work_waits(shop: Shop) -> None:
    first = shop.place()
    in_work: list[bool] = []

    def fulfil(order_ids: Sequence[UUID]) -> Mapping[UUID, Order | Exception]:
        in_work.append(True)
        if first in order_ids:
            shop.place()
            sleep(0.1)
        else:
            shop.stop.set()
        assert in_work == [True]
        in_work.clear()
        return shop.fulfil(order_ids)

    shop.worker(fulfil=fulfil).run()
    assert shop.queued() == 0


def test_told_to_stop_it_leaves_all_but_the_batch_in_hand(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "BATCH", 2)
    orders = [shop.place_together(("tea", 1), ("tea", 1)) for _ in range(2)]

    def fulfil(order_ids: Sequence[UUID]) -> Mapping[UUID, Order | Exception]:
        shop.stop.set()
        return shop.fulfil(order_ids)

    shop.worker(fulfil=fulfil).run()
    first, second = ({shop.order(order_id).status for order_id in pair} for pair in orders)
    assert (first, second) == ({OrderStatus.FULFILLED}, {OrderStatus.RESERVED})
    assert shop.queued() == 1


def test_told_to_stop_it_tries_no_more_orders_of_a_batch_that_came_down(shop: Shop) -> None:
    shop.place_together(*[("tea", 1)] * 3)
    calls: list[int] = []

    def fulfil(order_ids: Sequence[UUID]) -> Mapping[UUID, Order | Exception]:
        shop.stop.set()
        calls.append(len(order_ids))
        raise ConstraintViolated("a constraint")

    shop.worker(fulfil=fulfil).run()
    assert calls == [3]
    assert shop.queued() == 1


def test_told_to_stop_it_receives_no_more(shop: Shop) -> None:
    shop.place()
    later: list[UUID] = []

    def fulfil(order_ids: Sequence[UUID]) -> Mapping[UUID, Order | Exception]:
        later.append(shop.place())
        # By now the other one waits for its turn.
        sleep(0.1)
        shop.stop.set()
        return shop.fulfil(order_ids)

    shop.worker(fulfil=fulfil).run()
    assert [shop.order(key).status for key in later] == [OrderStatus.RESERVED]


def test_a_worker_that_fails_says_so_and_ends(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.place()
    failing = shop.worker()
    monkeypatch.setattr(failing, "handle", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        failing.run()


def test_a_worker_that_hangs_gives_no_sign_of_life_whatever_its_other_lane_does(
    shop: Shop,
) -> None:
    go_on = Event()
    calls = count()

    def hang(order_ids: Sequence[UUID]) -> Mapping[UUID, Order | Exception]:
        if next(calls) == 0:
            go_on.wait(30)
        return shop.fulfil(order_ids)

    # Full, so that the other lane goes on receiving.
    for _ in range(10):
        shop.place(quantity=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "BATCH", 5)
        patch.setattr(worker, "IDLE_WAIT", timedelta(milliseconds=20))
        thread = Thread(target=shop.worker(fulfil=hang).run)
        thread.start()
        eventually(lambda: liveness.silence() > 0.5 and next(calls) > 1)
        go_on.set()
        eventually(lambda: liveness.silence() < 0.1 and shop.queued() == 0)
        shop.stop.set()
        thread.join(30)

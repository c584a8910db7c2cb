"""What every storage promises about orders.

Fixtures: `storage`: an empty storage.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import attrs
import pytest

from ..domain.errors import Conflict
from ..domain.order import Allocation, Order
from ..domain.ports.order_repository import Attempt
from ..domain.ports.storage import Storage
from ..domain.ports.unit_of_work import UnitOfWork
from .shop import next_order_id, reserved_order
from .shop_work import NOW, stock_up, work

LATER = NOW + timedelta(seconds=1)


@pytest.fixture(autouse=True)
def stocked(storage: Storage) -> None:
    """Apples and pears, of two vendors."""
    stock_up(storage, "acme", apple=50, pear=30)
    stock_up(storage, "bert", apple=50, pear=30)


def _added(storage: Storage, *orders: Order) -> tuple[Order, ...]:
    work(storage, lambda uow: uow.orders.add(orders))
    return orders


def _order(key: str | None = None, **quantities: int) -> Order:
    return attrs.evolve(reserved_order(NOW, **quantities), idempotency_key=key)


def _fulfilled(order: Order, vendor_id: str = "acme") -> Order:
    allocations = [
        Allocation(
            product_id=line.product_id, vendor_id=vendor_id, quantity=line.quantity, sequence=9
        )
        for line in order.lines
    ]
    return order.fulfil(allocations, LATER)


def _settle(storage: Storage, *orders: Order) -> None:
    work(storage, lambda uow: uow.orders.save(orders))


def _found(storage: Storage, *order_ids: UUID) -> list[Order]:
    found = work(storage, lambda uow: uow.orders.lock(order_ids))
    return sorted(found.values(), key=lambda order: order.id)


def test_orders_come_back_as_they_went_in(storage: Storage) -> None:
    # The lines in an order of their own, not that of their ids.
    orders = _added(storage, _order(pear=3, apple=1), _order(key="k", apple=2))
    assert _found(storage, *(order.id for order in orders)) == list(orders)


def test_orders_are_found_by_id_or_key_each_once(storage: Storage) -> None:
    first, second, _third = _added(
        storage, _order(key="k", apple=1), _order(apple=1), _order(apple=1)
    )

    def find(uow: UnitOfWork) -> list[Order]:
        return uow.orders.find_placed([first.id, second.id, next_order_id()], {"k", "unknown"})

    found = work(storage, find)
    assert len(found) == 2
    assert {order.id for order in found} == {first.id, second.id}
    assert work(storage, lambda uow: uow.orders.find_placed([], ["k"])) == [first]
    assert work(storage, lambda uow: uow.orders.find_placed([], [])) == []


@pytest.mark.parametrize("key", ["ä", "🍎", "'", '"', "\\", "{a}", "NULL", "%", "x" * 255, " "])
def test_every_idempotency_key_comes_back_as_it_went_in(storage: Storage, key: str) -> None:
    [order] = _added(storage, _order(key=key, apple=1))
    assert work(storage, lambda uow: uow.orders.find_placed([], [key])) == [order]


def test_an_order_id_that_exists_is_a_conflict(storage: Storage) -> None:
    [order] = _added(storage, _order(apple=1))
    with pytest.raises(Conflict):
        _added(storage, _order(apple=1), order)
    assert storage.read_model.orders(0, 9).total == 1


def test_an_idempotency_key_that_exists_is_a_conflict(storage: Storage) -> None:
    _added(storage, _order(key="k", apple=1))
    with pytest.raises(Conflict):
        _added(storage, _order(apple=1), _order(key="k", apple=1))
    assert storage.read_model.orders(0, 9).total == 1


@pytest.mark.parametrize("what", ["id", "idempotency_key"])
def test_what_is_taken_twice_within_one_call_is_a_conflict_too(storage: Storage, what: str) -> None:
    order = _order(key="k", apple=1)
    twin = attrs.evolve(_order(key="other", apple=1), **{what: getattr(order, what)})
    with pytest.raises(Conflict):
        _added(storage, order, twin)
    assert storage.read_model.orders(0, 9).total == 0


def test_any_number_of_orders_may_have_no_key(storage: Storage) -> None:
    _added(storage, _order(apple=1), _order(apple=1))
    _added(storage, _order(apple=1))
    assert storage.read_model.orders(0, 9).total == 3


def test_locking_answers_with_the_known_orders_among_those_asked_for(storage: Storage) -> None:
    first, second = _added(storage, _order(apple=1), _order(key="k", apple=2, pear=3))
    asked = [second.id, next_order_id(), first.id, second.id]
    locked = work(storage, lambda uow: uow.orders.lock(asked))
    assert locked == {first.id: first, second.id: second}
    assert work(storage, lambda uow: uow.orders.lock([])) == {}


def test_the_end_of_an_order_is_written_down_whole(storage: Storage) -> None:
    first, second, third = _added(
        storage, _order(apple=2, pear=1), _order(key="k", apple=1), _order(apple=1)
    )
    split = first.fulfil(
        [
            Allocation(product_id="apple", vendor_id="acme", quantity=1, sequence=1),
            Allocation(product_id="apple", vendor_id="bert", quantity=1, sequence=1),
            Allocation(product_id="pear", vendor_id="bert", quantity=1, sequence=1),
        ],
        LATER,
    )
    ends = [split, second.fail('no "vendor"\nhas {it}, \\ NULL', LATER), third.cancel(LATER)]
    _settle(storage, *ends)
    assert _found(storage, first.id, second.id, third.id) == ends


@pytest.mark.parametrize("end", [_fulfilled, lambda order: order.fail("given up", LATER)])
def test_an_order_that_has_ended_cannot_be_settled_again(storage: Storage, end: object) -> None:
    ended, other = _added(storage, _order(apple=1), _order(apple=1))
    assert callable(end)
    first_end = end(ended)
    _settle(storage, first_end)
    for second_end in (_fulfilled(ended, "bert"), ended.fail("again", LATER), ended.cancel(LATER)):
        with pytest.raises(Conflict):
            _settle(storage, _fulfilled(other), second_end)
    assert _found(storage, ended.id, other.id) == [first_end, other]


def test_no_text_of_an_exception_keeps_an_order_from_failing(storage: Storage) -> None:
    [order] = _added(storage, _order(apple=1))
    failed = order.fail("\x00 \ud800 \x1b", LATER)
    _settle(storage, failed)
    assert _found(storage, order.id) == [failed]


def test_an_unknown_order_cannot_be_settled(storage: Storage) -> None:
    with pytest.raises(Conflict):
        _settle(storage, _fulfilled(_order(apple=1)))
    assert storage.read_model.orders(0, 9).total == 0


def test_unsettled_orders_are_taken_oldest_first_once_until_they_are_due_again(
    storage: Storage,
) -> None:
    orders = _added(storage, *(_order(apple=1) for _ in range(3)))
    ids = [order.id for order in orders]

    def take(sent_before: timedelta, now: timedelta, limit: int = 10) -> list[UUID]:
        return work(
            storage,
            lambda uow: uow.orders.claim_unfulfilled(NOW + sent_before, NOW + now, limit),
        )

    second = timedelta(seconds=1)
    assert take(0 * second, 5 * second) == []
    assert take(1 * second, 5 * second, limit=2) == ids[:2]
    assert take(1 * second, 6 * second) == ids[2:]
    assert take(5 * second, 7 * second) == []
    assert take(6 * second, 7 * second) == ids[:2]


def test_an_order_that_is_marked_as_sent_is_not_due(storage: Storage) -> None:
    first, second = _added(storage, *(_order(apple=1) for _ in range(2)))
    work(storage, lambda uow: uow.orders.mark_sent([first.id, next_order_id()], LATER))
    taken = work(storage, lambda uow: uow.orders.claim_unfulfilled(LATER, LATER, 10))
    assert taken == [second.id]
    work(storage, lambda uow: uow.orders.mark_sent([], LATER))


def test_only_reserved_orders_are_unsettled(storage: Storage) -> None:
    fulfilled, failed, reserved = _added(storage, *(_order(apple=1) for _ in range(3)))
    _settle(storage, _fulfilled(fulfilled), failed.fail("given up", LATER))
    taken = work(storage, lambda uow: uow.orders.claim_unfulfilled(LATER, LATER, 10))
    assert taken == [reserved.id]
    assert _found(storage, reserved.id) == [reserved]


def _record(storage: Storage, attempts: dict[UUID, int], at: datetime = NOW) -> None:
    failures = {key: Attempt(number=n, problem="it failed") for key, n in attempts.items()}
    work(storage, lambda uow: uow.orders.record_failures(failures, at))


def test_the_last_failure_of_each_order_is_remembered(storage: Storage) -> None:
    first, second, third = (
        order.id for order in _added(storage, *(_order(apple=1) for _ in range(3)))
    )
    recorded = storage.read_model.failed_attempts
    assert recorded([first, second, third]) == {first: 0, second: 0, third: 0}
    _record(storage, {second: 3, first: 1})
    assert recorded([first, second, third]) == {first: 1, second: 3, third: 0}
    _record(storage, {second: 2, next_order_id(): 5})
    assert recorded([second, next_order_id()]) == {second: 2}
    assert recorded([]) == {}


def test_failures_of_orders_that_have_ended_are_not_recorded(storage: Storage) -> None:
    fulfilled, failed, reserved = _added(storage, *(_order(apple=1) for _ in range(3)))
    ends = [_fulfilled(fulfilled), failed.fail("given up", LATER)]
    _settle(storage, *ends)
    _record(storage, {fulfilled.id: 1, failed.id: 2, reserved.id: 3})
    ids = [fulfilled.id, failed.id, reserved.id]
    assert storage.read_model.failed_attempts(ids) == {
        fulfilled.id: 0,
        failed.id: 0,
        reserved.id: 3,
    }
    assert _found(storage, *ids) == [*ends, reserved]


def test_an_order_whose_failure_was_recorded_counts_as_sent_then(storage: Storage) -> None:
    tried, other = _added(storage, _order(apple=1), _order(apple=1))
    _record(storage, {tried.id: 1}, at=LATER)

    def take(sent_before: datetime) -> list[UUID]:
        return work(storage, lambda uow: uow.orders.claim_unfulfilled(sent_before, LATER, 10))

    assert take(LATER) == [other.id]
    assert storage.read_model.failed_attempts([tried.id]) == {tried.id: 1}
    assert take(LATER + timedelta(seconds=1)) == [tried.id, other.id]
    assert storage.read_model.failed_attempts([tried.id]) == {tried.id: 0}


def _old(storage: Storage, moment: datetime, limit: int = 10) -> list[UUID]:
    def count(uow: UnitOfWork) -> int:
        return uow.orders.count_ended_before(moment)

    found = work(storage, lambda uow: uow.orders.ended_before(moment, limit))
    assert work(storage, count) >= len(found)
    return found


def test_orders_that_ended_are_found_by_their_last_change(storage: Storage) -> None:
    fulfilled, failed, cancelled, returned, reserved = _added(
        storage, *(_order(apple=1) for _ in range(5))
    )
    _settle(storage, _fulfilled(fulfilled), failed.fail("given up", LATER))
    _settle(storage, cancelled.cancel(NOW), _fulfilled(returned))
    back = _fulfilled(returned).give_back(None, LATER + timedelta(seconds=1))
    work(storage, lambda uow: uow.orders.save([back]))
    assert _old(storage, NOW) == []
    assert _old(storage, LATER) == [cancelled.id]
    late = LATER + timedelta(days=1)
    assert _old(storage, LATER + timedelta(seconds=1)) == [cancelled.id, fulfilled.id, failed.id]
    assert _old(storage, late) == [cancelled.id, fulfilled.id, failed.id, returned.id]
    assert _old(storage, late, limit=2) == [cancelled.id, fulfilled.id]
    assert work(storage, lambda uow: uow.orders.count_ended_before(late)) == 4
    assert _found(storage, reserved.id) == [reserved]


def test_orders_are_removed_with_all_that_is_theirs(storage: Storage) -> None:
    gone, stays = _added(storage, _order("k", pear=2, apple=1), _order("other", apple=1))
    ends = [_fulfilled(gone), _fulfilled(stays)]
    _settle(storage, *ends)

    def remove(uow: UnitOfWork) -> list[Order]:
        uow.orders.remove([*uow.orders.lock([gone.id]).values()])
        return uow.orders.find_placed([gone.id], ["k"])

    assert work(storage, remove) == []
    assert _found(storage, gone.id, stays.id) == [ends[1]]
    assert _old(storage, LATER + timedelta(days=1)) == [stays.id]
    # Nothing of it is in the way of another with its id and key.
    again = attrs.evolve(gone, lines=stays.lines)
    _added(storage, again)
    assert _found(storage, gone.id) == [again]


def test_a_removal_that_is_not_committed_did_not_happen(storage: Storage) -> None:
    [order] = _added(storage, _order("k", apple=1))
    with storage.unit_of_work() as uow:
        uow.orders.remove([*uow.orders.lock([order.id]).values()])
    assert _found(storage, order.id) == [order]
    assert work(storage, lambda uow: uow.orders.find_placed([], ["k"])) == [order]


def test_an_order_that_is_not_there_cannot_be_removed(storage: Storage) -> None:
    [order] = _added(storage, _order(apple=1))
    with pytest.raises(Conflict):
        work(storage, lambda uow: uow.orders.remove([order, _order(apple=1)]))
    assert _found(storage, order.id) == [order]


def test_nothing_is_added_or_settled_in_an_empty_call(storage: Storage) -> None:
    _added(storage)
    _settle(storage)
    _record(storage, {})
    work(storage, lambda uow: uow.orders.remove([]))
    assert storage.read_model.orders(0, 9).total == 0

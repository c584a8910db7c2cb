"""The database itself refuses what the code should never ask for."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import pytest
from sqlalchemy import Engine, text

from order_aggregator.adapters.sql import SqlStorage
from order_aggregator.adapters.sql.transaction import Transaction
from order_aggregator.domain.errors import Conflict, ConstraintViolated, OrderAggregatorError
from order_aggregator.domain.order import FIRST_STATUSES, STEPS, OrderStatus
from order_aggregator.testing.shop import Shop, next_order_id
from order_aggregator.testing.shop_work import NOW, stock_up, work

FAR = "'ffffffff-ffff-7fff-bfff-ffffffffffff'"
NEW_ORDER = (
    "INSERT INTO orders (id, status, failure, idempotency_key, created_at, updated_at, sent_at)"
    " SELECT {id}, status, failure, {key}, created_at, updated_at, sent_at FROM orders"
)

TOKEN = (
    "INSERT INTO access_tokens (id, name, digest, scopes, created_at, {column})"
    " VALUES ('a', 'a', '" + 64 * "x" + "', '[]', CURRENT_TIMESTAMP, {value})"
)
REFUSED = {
    "on hand below 0": "UPDATE central_stock SET on_hand = -1",
    "reserved below 0": "UPDATE central_stock SET reserved = -1",
    "reserved beyond on hand": "UPDATE central_stock SET reserved = reserved + 7",
    "reserved further beyond on hand": "UPDATE central_stock SET on_hand = 3, reserved = 5",
    "vendor stock below 0": "UPDATE vendor_stock SET available = -1",
    "a report below 0": "UPDATE vendor_stock SET reported = -1",
    "central stock of nothing": "UPDATE central_stock SET product_id = 'pear'",
    "stock of no vendor": "UPDATE vendor_stock SET vendor_id = 'nobody'",
    "stock of no product": "UPDATE vendor_stock SET product_id = 'pear'",
    "an empty adjustment": "INSERT INTO stock_adjustments (vendor_id, product_id, delta, cause, at)"
    " SELECT vendor_id, product_id, 0, 'x', CURRENT_TIMESTAMP FROM vendor_stock",
    "an adjustment of no stock": "INSERT INTO stock_adjustments"
    " (vendor_id, product_id, delta, cause, at)"
    " SELECT 'nobody', product_id, 1, 'x', CURRENT_TIMESTAMP FROM vendor_stock",
    "failed attempts below 0": "UPDATE orders SET failed_attempts = -1",
    "a second alarm": "INSERT INTO outbox_alarm VALUES (2, CURRENT_TIMESTAMP)",
    "an unknown status": "UPDATE orders SET status = 'lost'",
    "a failure without a reason": "UPDATE orders SET status = 'failed'",
    "a reason without a failure": "UPDATE orders SET failure = 'x'",
    "an empty line": "UPDATE order_lines SET quantity = 0",
    "a line of no order": f"UPDATE order_lines SET order_id = {FAR}",
    "a line of no product": "UPDATE order_lines SET product_id = 'pear'",
    "an empty allocation": "INSERT INTO allocations"
    " SELECT order_id, product_id, 'acme', 0, 9, 0 FROM order_lines",
    "an allocation of no vendor": "INSERT INTO allocations"
    " SELECT order_id, product_id, 'nobody', 1, 9, 0 FROM order_lines",
    "an allocation of no line": "INSERT INTO allocations"
    f" SELECT {FAR}, product_id, 'acme', 1, 9, 0 FROM order_lines",
    "less than nothing stale": "UPDATE central_stock SET stale = -1",
    "more stale than on hand": "UPDATE central_stock SET stale = 11",
    "reserved beyond what is not stale": "UPDATE central_stock SET stale = 6, reserved = 5",
    "an allocation that is not in its sequence": "INSERT INTO allocations"
    " SELECT order_id, product_id, 'acme', 2, 1, 0 FROM order_lines",
    "more returned than allocated": "INSERT INTO allocations"
    " SELECT order_id, product_id, 'acme', 2, 9, 3 FROM order_lines",
    "more counted than allocated": "UPDATE vendor_stock SET counted = allocated + 1",
    "less than nothing counted": "UPDATE vendor_stock SET counted = -1",
    "a mark of no stock": "INSERT INTO allocation_marks"
    " SELECT 'nobody', product_id, 1, CURRENT_TIMESTAMP FROM vendor_stock",
    "an order without its lines": "DELETE FROM orders",
    "half a rate": TOKEN.format(column="rate_requests", value="5"),
    "a rate of nothing": TOKEN.format(column="rate_seconds, rate_requests", value="60, 0"),
    "a rate of all time": TOKEN.format(column="rate_requests, rate_seconds", value="5, 86401"),
    "a quota of nothing": TOKEN.format(column="daily_quota", value="0"),
    "a quota without end": TOKEN.format(column="daily_quota", value="1000000001"),
    "a use on no day": TOKEN.format(column="used_on", value="'today'"),
    "less than no use": TOKEN.format(column="used", value="-1"),
}
TAKEN = {
    "order id": NEW_ORDER.format(id="id", key="NULL"),
    "idempotency key": NEW_ORDER.format(id=FAR, key="idempotency_key"),
}
ALLOWED = {
    "a report below what is reserved": "UPDATE central_stock SET on_hand = 3",
    "a reservation that shrinks meanwhile": "UPDATE central_stock SET on_hand = 1, reserved = 3",
    "all that is on hand reserved": "UPDATE central_stock SET reserved = on_hand",
}


NOT_ONE = OrderAggregatorError("not one row was changed")


@pytest.fixture
def shop(storage: SqlStorage) -> Shop:
    """Ten apples, four of them reserved."""
    shop = Shop(storage)
    stock_up(storage, "acme", apple=10)
    shop.accepted("key", apple=4)
    return shop


def outcomes(engine: Engine, statements: Mapping[str, str]) -> dict[str, str]:
    """What comes of each statement, in a transaction of its own that is undone."""

    def outcome(statement: str) -> str:
        try:
            with Transaction(engine) as transaction:
                transaction.enqueue(text(statement), expected_rowcount=1, mismatch_error=NOT_ONE)
                transaction.fetch_all(text("SELECT 1"))
                return "1 changed"
        except OrderAggregatorError as error:
            return type(error).__name__

    return {name: outcome(statement) for name, statement in statements.items()}


def test_the_database_refuses_what_breaks_a_rule(engine: Engine, shop: Shop) -> None:
    assert outcomes(engine, REFUSED) == dict.fromkeys(REFUSED, "ConstraintViolated")


def test_the_database_allows_what_a_report_may_bring_about(engine: Engine, shop: Shop) -> None:
    assert outcomes(engine, ALLOWED) == dict.fromkeys(ALLOWED, "1 changed")


@pytest.mark.parametrize("before", OrderStatus)
@pytest.mark.parametrize("after", OrderStatus)
def test_the_database_takes_the_steps_of_the_domains_table_and_no_other(
    engine: Engine, shop: Shop, before: OrderStatus, after: OrderStatus
) -> None:
    way: list[OrderStatus] = []
    status = before
    while status not in FIRST_STATUSES:
        way.insert(0, status)
        status = next(known for known, steps in STEPS.items() if status in steps)
    with Transaction(engine) as transaction:
        transaction.fetch_all(text(_begin_with(status)))
        for step in way:
            transaction.fetch_all(text(_step_to(step)))
        transaction.commit()
    allowed = after in STEPS[before] or before is after
    expected = "1 changed" if allowed else "ConstraintViolated"
    assert outcomes(engine, {"step": _step_to(after)}) == {"step": expected}


def _step_to(status: OrderStatus) -> str:
    failure = "'x'" if status is OrderStatus.FAILED else "NULL"
    return (
        f"UPDATE orders SET status = '{status}', failure = {failure} WHERE id = {FAR} RETURNING id"
    )


def _begin_with(status: OrderStatus) -> str:
    columns = "created_at, updated_at, sent_at"
    return (
        f"INSERT INTO orders (id, status, expires_at, {columns})"
        f" SELECT {FAR}, '{status}', created_at, {columns} FROM orders RETURNING id"
    )


def test_what_exists_already_is_a_conflict(engine: Engine, shop: Shop) -> None:
    assert outcomes(engine, TAKEN) == dict.fromkeys(TAKEN, "Conflict")


def test_orders_without_a_key_do_not_collide(engine: Engine, shop: Shop) -> None:
    shop.accepted(apple=1)
    shop.accepted(apple=1)


def test_nothing_of_a_failed_unit_of_work_can_be_committed(storage: SqlStorage, shop: Shop) -> None:
    """On SQLite what was done before the failure is still there to commit."""
    order = shop.accepted(apple=1)
    with storage.unit_of_work() as uow:
        uow.outbox.announce([next_order_id()], NOW)
        ended = order.cancel(shop.clock.now())
        uow.orders.save([ended])
        uow.orders.save([ended])
        with pytest.raises(Conflict, match="another step"):
            uow.commit()
        with pytest.raises(Conflict, match="an earlier step"):
            uow.commit()
    assert shop.order(order.id) == order
    assert all(
        message.body != b"must not be sent"
        for message in work(
            storage, lambda uow: uow.outbox.claim(9, shop.clock.now(), shop.clock.now())
        )
    )


def test_a_refused_statement_spoils_its_unit_of_work(storage: SqlStorage, shop: Shop) -> None:
    [level] = work(storage, lambda uow: uow.stock.lock_vendor_stock(["apple"]))
    with storage.unit_of_work() as uow:
        uow.outbox.announce([next_order_id()], NOW)
        uow.stock.upsert_vendor_stock([attrs.evolve(level, vendor_id="nobody")])
        with pytest.raises(ConstraintViolated):
            uow.stock.lock_vendor_stock(["apple"])
        with pytest.raises(Conflict):
            uow.commit()

"""An order's lines, and the steps its status allows."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs
import pytest

from order_aggregator.domain.errors import IllegalTransition, InvalidValue
from order_aggregator.domain.order import (
    FIRST_STATUSES,
    MAX_LINES,
    STEPS,
    Allocation,
    Order,
    OrderLine,
    OrderStatus,
    check_lines,
    merged,
)
from order_aggregator.testing.shop import lines, reserved_order

CREATED = datetime(2026, 1, 1, tzinfo=UTC)
LATER = CREATED + timedelta(minutes=1)
ALLOCATION = Allocation(product_id="apple", vendor_id="acme", quantity=2)


def _reserve(order: Order) -> Order:
    if order.status is OrderStatus.BACKORDERED:
        return order.fill({"apple": 2}, LATER)
    return order.confirm(LATER)


TAKE: dict[OrderStatus, Callable[[Order], Order]] = {
    OrderStatus.FULFILLED: lambda order: order.fulfil([ALLOCATION], LATER),
    OrderStatus.RESERVED: _reserve,
    OrderStatus.EXPIRED: lambda order: order.expire(LATER),
    OrderStatus.FAILED: lambda order: order.fail("no vendor has it", LATER),
    OrderStatus.CANCELLED: lambda order: order.cancel(LATER),
    OrderStatus.RETURNED: lambda order: order.give_back(None, LATER),
}


def _in(status: OrderStatus) -> Order:
    """An order that has come there."""
    order = reserved_order(CREATED, apple=2)
    if status is OrderStatus.HELD:
        return attrs.evolve(order, status=status, expires_at=LATER)
    if status is OrderStatus.BACKORDERED:
        waiting = (OrderLine(product_id="apple", quantity=2, backordered=2),)
        return attrs.evolve(order, status=status, lines=waiting)
    if status is OrderStatus.RESERVED:
        return order
    before = next(known for known, steps in STEPS.items() if status in steps)
    return TAKE[status](_in(before))


def test_an_order_starts_reserved() -> None:
    order = reserved_order(CREATED, apple=2)
    assert order.status is OrderStatus.RESERVED
    assert order.allocations == ()
    assert order.failure is None


def test_fulfilling_writes_down_the_vendors_and_the_moment() -> None:
    order = reserved_order(CREATED, apple=2).fulfil([ALLOCATION], LATER)
    assert order.status is OrderStatus.FULFILLED
    assert order.allocations == (ALLOCATION,)
    assert (order.created_at, order.updated_at) == (CREATED, LATER)


def test_failing_writes_down_the_reason_and_the_moment() -> None:
    order = reserved_order(CREATED, apple=2).fail("no vendor has it", LATER)
    assert (order.status, order.failure) == (OrderStatus.FAILED, "no vendor has it")
    assert (order.allocations, order.updated_at) == ((), LATER)


def test_a_reason_that_could_not_be_stored_is_made_storable() -> None:
    failed = reserved_order(CREATED, apple=2).fail("bad \x00, \ud800 and\nso on", LATER)
    assert failed.failure == "bad \ufffd, \ufffd and\ufffdso on"


def test_cancelling_writes_down_the_moment() -> None:
    order = reserved_order(CREATED, apple=2).cancel(LATER)
    assert (order.status, order.updated_at) == (OrderStatus.CANCELLED, LATER)


def test_a_step_leaves_the_order_it_started_from_as_it_was() -> None:
    order = reserved_order(CREATED, apple=2)
    order.fulfil([ALLOCATION], LATER)
    assert order.status is OrderStatus.RESERVED


@pytest.mark.parametrize("status", OrderStatus)
@pytest.mark.parametrize("step", TAKE)
def test_an_order_takes_the_steps_of_the_table_and_no_other(
    status: OrderStatus, step: OrderStatus
) -> None:
    order = _in(status)
    assert order.status is status
    if step in STEPS[status]:
        assert TAKE[step](order).status is step
    else:
        with pytest.raises(IllegalTransition, match=status):
            TAKE[step](order)


def test_the_diagram_shows_the_table() -> None:
    text = Path(__file__, "../../../../docs/orders.md").resolve().read_text()
    shown = set(re.findall(r"^    (\S+) --> (\S+)$", text, re.MULTILINE))
    steps = {(str(one), str(other)) for one, others in STEPS.items() for other in others}
    assert shown == steps | {("[*]", str(first)) for first in FIRST_STATUSES}


def test_lines_of_the_same_product_are_merged_where_the_first_stands() -> None:
    wanted = [*lines({"apple": 1, "pear": 1}), *lines({"apple": 2})]
    assert merged(wanted) == lines({"apple": 3, "pear": 1})


@pytest.mark.parametrize("quantity", [0, -1, True, 1.0, 2**63, "2", None])
def test_a_line_needs_a_positive_whole_number_of_units(quantity: object) -> None:
    with pytest.raises(InvalidValue):
        OrderLine(product_id="apple", quantity=quantity)  # type: ignore[arg-type]


@pytest.mark.parametrize("product_id", ["", "a\x00", "\ud800", "x" * 101, 7, None])
def test_a_line_needs_a_product_id(product_id: object) -> None:
    with pytest.raises(InvalidValue):
        OrderLine(product_id=product_id, quantity=1)


@pytest.mark.parametrize("quantity", [0, -1, True, 1.0])
def test_an_allocation_needs_a_positive_whole_number_of_units(quantity: object) -> None:
    with pytest.raises(InvalidValue):
        Allocation(product_id="apple", vendor_id="acme", quantity=quantity)  # type: ignore[arg-type]


@pytest.mark.parametrize("number_of_lines", [1, MAX_LINES])
def test_an_order_may_have_this_many_lines(number_of_lines: int) -> None:
    check_lines(lines({f"product {n}": 1 for n in range(number_of_lines)}))


@pytest.mark.parametrize("number_of_lines", [0, MAX_LINES + 1])
def test_an_order_may_not_have_this_many_lines(number_of_lines: int) -> None:
    with pytest.raises(InvalidValue, match="lines"):
        check_lines(lines({f"product {n}": 1 for n in range(number_of_lines)}))


def test_a_product_may_stand_in_one_line_only_and_the_error_names_the_second() -> None:
    with pytest.raises(InvalidValue) as caught:
        check_lines([*lines({"apple": 1, "pear": 1}), *lines({"apple": 2})])
    assert caught.value.field == "lines.2.product_id"

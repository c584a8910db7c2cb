"""What an operator may ask and do about orders."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from threading import Event as Flag
from typing import Any
from uuid import UUID

from ..domain.errors import InvalidValue, OrderRefused, UnknownOrder
from ..domain.events import Event
from ..domain.order import ENDED, OnShortage, Order, OrderLine, OrderStatus, ReturnLine
from ..domain.ports.read_model import OrderFilter, ReadModel
from ..domain.use_cases.cancel_orders import CancelOrder
from ..domain.use_cases.order_actions import OrderActions
from ..domain.use_cases.order_holds import OrderHold
from ..domain.use_cases.place_orders import PlaceOrder, PlaceOrders, check_hold
from ..domain.use_cases.return_orders import ReturnOrder
from ..domain.values import printable, timestamp_text, whole_number
from .documents import order_document
from .runtime.tables import aligned

PAGE = 100
# Seconds between looks at an order that is watched.
POLL = 0.2


def parse_lines(told: Sequence[str]) -> list[tuple[str, int]]:
    """Lines like `tea=2`; raises InvalidValue."""
    return [_parse_line(text) for text in told]


def _parse_line(text: str) -> tuple[str, int]:
    product_id, _, quantity = text.rpartition("=")
    units = whole_number(quantity)
    if not product_id or units < 0:
        raise InvalidValue("line", f"must be like tea=2, but is {text!r}")
    return product_id, units


def place(  # noqa: PLR0913 - by name, each an option of its own
    place_orders: PlaceOrders,
    lines: Sequence[tuple[str, int]],
    new_id: Callable[[], UUID],
    *,
    key: str | None = None,
    reference: str | None = None,
    on_shortage: OnShortage = OnShortage.FAIL,
    hold_for: timedelta | None = None,
    by: str | None = None,
) -> Order:
    """Place an order or a hold; raises what it was refused for."""
    command = PlaceOrder(
        order_id=new_id(),
        lines=tuple(OrderLine(product_id=p, quantity=units) for p, units in lines),
        idempotency_key=key,
        reference=reference,
        on_shortage=on_shortage,
        rest_order_id=new_id() if on_shortage is OnShortage.SPLIT else None,
        hold_for=hold_for,
        by=by,
    )
    [outcome] = place_orders([command])
    if isinstance(outcome, OrderRefused):
        raise outcome
    return outcome


def show(read_model: ReadModel, order_id: UUID) -> Order:
    """One order; raises UnknownOrder."""
    order = read_model.order(order_id)
    if order is None:
        raise UnknownOrder(order_id)
    return order


def watch(read_model: ReadModel, order_id: UUID, stop: Flag) -> Iterator[Event]:
    """An order's steps so far, and those that come, until it has ended; raises UnknownOrder."""
    seen = 0
    while True:
        events = read_model.order_events(order_id)
        if events is None:
            raise UnknownOrder(order_id)
        yield from events[seen:]
        seen = len(events)
        if not events or events[-1].data["status"] in ENDED or stop.wait(POLL):
            return


def hold_seconds(span: int) -> timedelta:
    """How long something is held; raises InvalidValue."""
    try:
        hold_for = timedelta(seconds=span)
    except OverflowError:
        hold_for = timedelta.max
    check_hold(hold_for, "seconds")
    return hold_for


def step_of_hold(read_model: ReadModel, order_id: UUID, step: Callable[[], object]) -> Order:
    """The hold after a step; raises what the step was refused for."""
    step()
    return show(read_model, order_id)


def cancel(
    actions: OrderActions,
    order_id: UUID,
    lines: Sequence[tuple[str, int]] = (),
    *,
    by: str | None = None,
) -> Order:
    """Cancel an order, or these units; raises UnknownOrder, IllegalTransition or CancelRefused."""
    unwanted = tuple(OrderLine(product_id=p, quantity=units) for p, units in lines)
    command = CancelOrder(order_id=order_id, lines=unwanted or None, by=by)
    return _only(actions.cancel([command])[order_id])


def order_hold(actions: OrderActions, order_id: UUID, by: str | None = None) -> Order:
    """Turn a hold into an order; raises UnknownOrder, HoldExpired or InsufficientStock."""
    return _only(actions.order_holds([OrderHold(order_id=order_id, by=by)])[order_id])


def give_back(
    actions: OrderActions,
    order_id: UUID,
    lines: Sequence[tuple[str, int]],
    *,
    restock: bool,
    by: str | None = None,
) -> Order:
    """Take units of an order back; raises UnknownOrder, IllegalTransition or ReturnRefused."""
    told = tuple(ReturnLine(product_id=p, quantity=units) for p, units in lines)
    command = ReturnOrder(order_id=order_id, lines=told or None, restock=restock, by=by)
    return _only(actions.give_back([command])[order_id])


def _only(outcome: Order | Exception) -> Order:
    if not isinstance(outcome, Order):
        raise outcome
    return outcome


def listing(read_model: ReadModel, wanted: OrderFilter, limit: int) -> Iterator[Order]:
    """So many orders, newest first."""
    offset = 0
    while offset < limit and (
        page := read_model.orders(offset, min(PAGE, limit - offset), wanted).items
    ):
        yield from page
        offset += len(page)


def table(orders: Sequence[Order]) -> Iterator[str]:
    """A line an order, in columns."""
    rows = [("ORDER", "STATUS", "PLACED", "LINES", "REFERENCE")]
    rows += [
        (
            str(order.id),
            str(order.status),
            timestamp_text(order.created_at)[:19],
            ", ".join(f"{line.product_id}={line.quantity}" for line in order.lines),
            order.reference or "",
        )
        for order in orders
    ]
    return aligned(rows)


def details(order: Order) -> Iterator[str]:
    """All of an order, in lines."""
    yield f"order {order.id}: {order.status}"
    yield f"  placed {timestamp_text(order.created_at)}, changed {timestamp_text(order.updated_at)}"
    if order.reference:
        yield f"  reference {printable(order.reference)}"
    if order.failure:
        yield f"  why it failed: {order.failure}"
    if order.expires_at and order.status in (OrderStatus.HELD, OrderStatus.EXPIRED):
        yield f"  held until {timestamp_text(order.expires_at)}"
    if order.rest_id:
        yield f"  the rest waits as order {order.rest_id}"
    for line in order.lines:
        cancelled = f", {line.cancelled} cancelled" if line.cancelled else ""
        waits = f", waits for {line.backordered}" if line.backordered else ""
        at = line.expected_at
        expected = f", more expected {timestamp_text(at)}" if at else ""
        yield f"  {line.product_id}: {line.quantity}{cancelled}{waits}{expected}"
        for part in order.allocations:
            if part.product_id == line.product_id:
                returned = f", {part.returned} returned" if part.returned else ""
                yield f"    {part.quantity} from {part.vendor_id}{returned}"


def as_json(order: Order) -> str:
    """As the API has it."""
    document: dict[str, Any] = order_document(order)
    return json.dumps(document)

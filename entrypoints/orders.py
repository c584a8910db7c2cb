"""What an operator may ask and do about orders."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import UUID

from ..domain.errors import InvalidValue, OrderRefused, UnknownOrder
from ..domain.order import Order, OrderLine, ReturnLine
from ..domain.ports.read_model import OrderFilter, ReadModel
from ..domain.use_cases.cancel_orders import CancelOrder
from ..domain.use_cases.order_actions import OrderActions
from ..domain.use_cases.place_orders import PlaceOrder, PlaceOrders
from ..domain.values import timestamp_text
from .api.orders import order_document

PAGE = 100


def parse_lines(told: Sequence[str]) -> list[tuple[str, int]]:
    """Lines like `tea=2`; raises InvalidValue."""
    return [_parse_line(text) for text in told]


def _parse_line(text: str) -> tuple[str, int]:
    product_id, _, quantity = text.rpartition("=")
    if not product_id or not (quantity.isascii() and quantity.isdigit()):
        raise InvalidValue("line", f"must be like tea=2, but is {text!r}")
    return product_id, int(quantity)


def place(
    place_orders: PlaceOrders,
    lines: Sequence[tuple[str, int]],
    new_id: Callable[[], UUID],
    *,
    key: str | None,
    reference: str | None,
) -> Order:
    """Place an order; raises what it was refused for."""
    command = PlaceOrder(
        order_id=new_id(),
        lines=tuple(OrderLine(product_id=p, quantity=units) for p, units in lines),
        idempotency_key=key,
        reference=reference,
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


def cancel(actions: OrderActions, order_id: UUID, lines: Sequence[tuple[str, int]] = ()) -> Order:
    """Cancel an order, or these units; raises UnknownOrder, IllegalTransition or CancelRefused."""
    unwanted = tuple(OrderLine(product_id=p, quantity=units) for p, units in lines)
    command = CancelOrder(order_id=order_id, lines=unwanted or None)
    outcome = actions.cancel([command])[order_id]
    if not isinstance(outcome, Order):
        raise outcome
    return outcome


def give_back(
    actions: OrderActions,
    read_model: ReadModel,
    order_id: UUID,
    lines: Sequence[tuple[str, int]],
    *,
    restock: bool,
) -> Order:
    """Take units of an order back; raises UnknownOrder, IllegalTransition or ReturnRefused."""
    told = [ReturnLine(product_id=p, quantity=units) for p, units in lines]
    actions.give_back(order_id, told or None, lambda _order: "", restock=restock)
    return show(read_model, order_id)


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
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def details(order: Order) -> Iterator[str]:
    """All of an order, in lines."""
    yield f"order {order.id}: {order.status}"
    yield f"  placed {timestamp_text(order.created_at)}, changed {timestamp_text(order.updated_at)}"
    if order.reference:
        yield f"  reference {order.reference}"
    if order.failure:
        yield f"  why it failed: {order.failure}"
    for line in order.lines:
        yield f"  {line.product_id}: {line.quantity}"
        for part in order.allocations:
            if part.product_id == line.product_id:
                returned = f", {part.returned} returned" if part.returned else ""
                yield f"    {part.quantity} from {part.vendor_id}{returned}"


def as_json(order: Order) -> str:
    """As the API has it."""
    document: dict[str, Any] = order_document(order)
    return json.dumps(document)

"""Changing central stock, and saying so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from ..events import stock_events
from ..order import Order
from ..ports.unit_of_work import UnitOfWork
from ..stock import CentralStock, StockDelta, released


def change_stock(
    uow: UnitOfWork,
    before: Mapping[str, CentralStock],
    changes: Sequence[StockDelta],
    at: datetime,
) -> None:
    """Change the central stock of products, which are locked and were so before."""
    uow.stock.change(changes, at)
    uow.events.append(stock_events(before, changes, at))


def release(uow: UnitOfWork, steps: Sequence[tuple[Order, Order]], at: datetime) -> None:
    """Save the steps of orders that are locked, and give up what they reserve no more."""
    changes = released(steps)
    stock = uow.stock.lock([change.product_id for change in changes])
    uow.orders.save([after for _, after in steps])
    change_stock(uow, stock, changes, at)

"""How much one order may be for, and how many of a buyer's may be open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import attrs

from ..errors import OrderTooLarge, TooManyOpenOrders
from ..order import OrderLine
from ..ports.unit_of_work import UnitOfWork


class OpenOrders:
    """The open orders with each reference, and those that are added to them."""

    def __init__(self, most: int | None, counts: Mapping[str, int]) -> None:
        """`most`: with one reference; None: as many as there are."""
        self._most = most
        self._counts = Counter(counts)

    def require_room(self, reference: str | None, orders: int = 1) -> None:
        """Raise TooManyOpenOrders unless so many more may be open."""
        if self._most is None or reference is None:
            return
        if self._counts[reference] + orders > self._most:
            raise TooManyOpenOrders(reference, self._most)

    def add(self, reference: str | None) -> None:
        """Count one more."""
        if self._most is not None and reference is not None:
            self._counts[reference] += 1


@attrs.frozen(kw_only=True)
class OrderLimits:
    """None: there is no such limit."""

    # Of all lines together.
    max_units: int | None = None
    # Orders that are held, wait or are reserved.
    max_open_per_reference: int | None = None

    def require_small(self, lines: Iterable[OrderLine]) -> None:
        """Raise OrderTooLarge for more units than one order may be for."""
        if self.max_units is None:
            return
        units = sum(line.quantity for line in lines)
        if units > self.max_units:
            raise OrderTooLarge(units, self.max_units)

    def open_orders(self, uow: UnitOfWork, references: Iterable[str | None]) -> OpenOrders:
        """What is open now; nobody else adds to it before the unit of work ends.

        To be asked after orders are locked, and before products are.
        """
        counts: Mapping[str, int] = {}
        if self.max_open_per_reference is not None:
            named = {reference for reference in references if reference is not None}
            counts = uow.orders.count_open(named) if named else {}
        return OpenOrders(self.max_open_per_reference, counts)

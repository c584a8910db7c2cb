"""Sell nothing more of what silent vendors reported last."""

from __future__ import annotations

import attrs

from ..events import VENDOR_STALE, vendor_event
from ..ports.clock import Clock
from ..ports.unit_of_work import UnitOfWork, UnitOfWorkFactory
from ..stock import StockDelta
from .report_intake import CHUNK
from .stock_changes import change_stock


class WithholdStaleStock:
    """Makes the stock of vendors stale that are silent for longer than their `max_age`.

    Nothing of it is promised any more; what was promised is still allocated from it. A vendor's
    next report makes it fresh. Doing it again changes nothing.
    """

    def __init__(self, unit_of_work: UnitOfWorkFactory, clock: Clock) -> None:
        """`clock` is the one that all processes share, where there is one."""
        self._unit_of_work = unit_of_work
        self._clock = clock

    def __call__(self) -> list[str]:
        """The vendors that have just become stale. Raises StorageUnavailable or Conflict."""
        now = self._clock.now()
        with self._unit_of_work() as uow:
            silent = uow.stock.silent_vendors(now)
        new = [vendor_id for vendor_id in silent if self._begin(vendor_id)]
        for vendor_id in silent:
            while self._withhold_some(vendor_id):
                pass
        return new

    def _begin(self, vendor_id: str) -> bool:
        with self._unit_of_work() as uow:
            now = self._clock.now()
            begun = uow.stock.make_stale(vendor_id, now)
            if begun:
                uow.events.append([vendor_event(VENDOR_STALE, vendor_id, now)])
            uow.commit()
        return begun

    def _withhold_some(self, vendor_id: str) -> bool:
        """Whether there may be more."""
        with self._unit_of_work() as uow:
            # A report that comes meanwhile waits for us, or we see that it has come.
            state = uow.stock.lock_vendor(vendor_id)
            if state is None or not state.stale:
                return False
            product_ids = uow.stock.fresh_products(vendor_id, CHUNK)
            if product_ids:
                self._withhold(uow, vendor_id, product_ids)
                uow.commit()
        return len(product_ids) == CHUNK

    def _withhold(self, uow: UnitOfWork, vendor_id: str, product_ids: list[str]) -> None:
        stock = uow.stock.lock(product_ids)
        levels = [
            level
            for level in uow.stock.lock_vendor_stock(product_ids)
            if level.vendor_id == vendor_id and not level.stale
        ]
        uow.stock.upsert_vendor_stock([attrs.evolve(level, stale=True) for level in levels])
        changes = [
            StockDelta(product_id=x.product_id, stale=x.available) for x in levels if x.available
        ]
        change_stock(uow, stock, changes, self._clock.now())

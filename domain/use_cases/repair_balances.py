"""Make balances right again that differ from the ledger."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial

import attrs

from ..batches import batches_of
from ..ports.clock import Clock
from ..ports.ledger import Discrepancy, Ledger
from ..ports.stock_repository import StockRepository
from ..ports.unit_of_work import UnitOfWorkFactory
from ..stock import CentralStock, StockDelta, VendorStock
from ..vendor_sync import StockAdjustment
from .attempts import despite_conflicts

CAUSE = "repair"
# Products that are repaired in one transaction: orders for them wait while it runs.
BITE = 250


@attrs.frozen(kw_only=True)
class Repair:
    """A figure that was wrong, and what was written: this entry, or the expected figure itself."""

    discrepancy: Discrepancy
    adjustment: StockAdjustment | None = None
    # What is counted of all that was allocated, where that had to fall as well.
    counted: int | None = None


class RepairBalances:
    """Makes stock agree with its records: orders, their allocations, and what vendors have.

    What buyers are shown of a vendor's stock stays, and an entry of the ledger explains it. All
    other figures are set to what they are made of. An order that is wrong itself stays so: which
    of its records is right, only a person can say. Others may write meanwhile.
    """

    def __init__(self, ledger: Ledger, unit_of_work: UnitOfWorkFactory, clock: Clock) -> None:
        self._ledger = ledger
        self._unit_of_work = unit_of_work
        self._clock = clock

    def __call__(self, *, keep: bool = True) -> Iterator[Repair | Discrepancy]:
        """Each repair once it is committed, and each discrepancy that remains.

        Unless it is to be kept, every repair is undone again. Raises StorageUnavailable, or
        Conflict when others keep getting in the way.
        """
        product_ids = set()
        remaining = []
        for found in self._ledger.discrepancies():
            if found.product_id is None:
                remaining.append(found)
            else:
                product_ids.add(found.product_id)
        for batch in batches_of(sorted(product_ids), BITE):
            yield from despite_conflicts(partial(self._repair, batch, keep))
        yield from remaining

    def _repair(self, product_ids: Sequence[str], keep: bool) -> list[Repair]:
        with self._unit_of_work() as uow:
            central = uow.stock.lock(product_ids)
            levels = uow.stock.lock_vendor_stock(product_ids)
            # Nobody else changes these products now: what differs is wrong.
            found = uow.stock.discrepancies(product_ids)
            now = self._clock.now()
            repairs = [
                *_explain_available(uow.stock, found, now),
                *_correct_allocated(uow.stock, found, levels),
                *_correct_central(uow.stock, found, central, now),
            ]
            if keep:
                uow.commit()
        return repairs


def _explain_available(
    stock: StockRepository, found: Sequence[Discrepancy], now: datetime
) -> list[Repair]:
    repairs = [
        Repair(
            discrepancy=each,
            adjustment=StockAdjustment(
                vendor_id=str(each.vendor_id),
                product_id=str(each.product_id),
                delta=each.found - each.expected,
                cause=CAUSE,
                at=now,
            ),
        )
        for each in found
        if each.figure == "vendor_available"
    ]
    stock.record([repair.adjustment for repair in repairs if repair.adjustment])
    return repairs


def _correct_allocated(
    stock: StockRepository, found: Sequence[Discrepancy], levels: Sequence[VendorStock]
) -> list[Repair]:
    by_key = {(level.vendor_id, level.product_id): level for level in levels}
    corrected, repairs = [], []
    for each in found:
        if each.figure == "vendor_allocated":
            level = by_key[str(each.vendor_id), str(each.product_id)]
            counted = min(level.counted, each.expected)
            corrected.append(attrs.evolve(level, allocated=each.expected, counted=counted))
            lowered = None if counted == level.counted else counted
            repairs.append(Repair(discrepancy=each, counted=lowered))
    stock.correct_allocated(corrected)
    return repairs


def _correct_central(
    stock: StockRepository,
    found: Sequence[Discrepancy],
    central: Mapping[str, CentralStock],
    now: datetime,
) -> list[Repair]:
    wrong = [each for each in found if each.vendor_id is None]
    units: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for each in wrong:
        units[str(each.product_id)][each.figure] = each.expected - each.found
    changes = [
        StockDelta(
            product_id=key,
            on_hand=units[key]["on_hand"],
            reserved=units[key]["reserved"],
            stale=units[key]["stale"],
            backordered=units[key]["backordered"],
        )
        for key in sorted(units)
    ]
    # More may be promised than is there, after a report that fell; but no step may promise it. So
    # for a moment, which nobody sees, there is enough.
    lent = {change.product_id: _missing(central[change.product_id], change) for change in changes}
    stock.change(
        [attrs.evolve(each, on_hand=each.on_hand + lent[each.product_id]) for each in changes], now
    )
    stock.change([StockDelta(product_id=key, on_hand=-lent[key]) for key in lent if lent[key]], now)
    return [Repair(discrepancy=each) for each in wrong]


def _missing(level: CentralStock, change: StockDelta) -> int:
    """How many units more would be reserved by the change than are there after it."""
    if change.reserved <= 0:
        return 0
    there = level.on_hand + change.on_hand - level.stale - change.stale
    return max(0, level.reserved + change.reserved - there)

"""Whoever is the first of a process to ask the shared clock does not wait for itself.

On SQLite the clock writes down once when the machine was started: asked for the first time inside
a unit of work, it would wait for the turn to write that the unit of work holds.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from operator import attrgetter
from time import monotonic

import pytest

from order_aggregator.adapters.sql import SqlStorage
from order_aggregator.domain.ports.clock import Clock
from order_aggregator.domain.ports.unit_of_work import UnitOfWorkFactory
from order_aggregator.domain.stock import Vendor
from order_aggregator.domain.stock_updates import StockUpdate
from order_aggregator.domain.use_cases.declare_vendors import PlanSync
from order_aggregator.domain.use_cases.forget_old import ForgetOld
from order_aggregator.domain.use_cases.sync_once import SyncOnce
from order_aggregator.domain.use_cases.sync_vendor import SyncVendor
from order_aggregator.domain.use_cases.update_vendor_stock import UpdateVendorStock
from order_aggregator.domain.use_cases.withhold_stale_stock import WithholdStaleStock
from order_aggregator.domain.vendor_sync import VendorTerms
from order_aggregator.testing.shop import Feed, snapshot
from order_aggregator.testing.shop_work import NOW

WITHIN = 5
ACME = Vendor(id="acme", name="Acme")
UPDATE = StockUpdate(product_id="apple", quantity=1)
FEED = Feed(snapshot("acme", {"apple": 1}, NOW))

FIRST: dict[str, Callable[[UnitOfWorkFactory, Clock], object]] = {
    "forget": lambda work, clock: ForgetOld(
        work, clock, timedelta(1), attrgetter("idempotency_keys")
    )(),
    "plan": lambda work, clock: PlanSync(work, clock)("acme", timedelta(1)),
    "sync": lambda work, clock: SyncVendor(work, clock)(FEED),
    "withhold": lambda work, clock: WithholdStaleStock(work, clock)(),
    "update": lambda work, clock: UpdateVendorStock(work, clock)(
        ACME, VendorTerms(), [UPDATE], lambda _result: ""
    ),
    "replace": lambda work, clock: SyncOnce(work, clock, SyncVendor(work, clock))(
        FEED, lambda _result: ""
    ),
}


@pytest.mark.parametrize("use_case", FIRST)
def test_the_first_to_ask_does_not_wait_for_itself(storage: SqlStorage, use_case: str) -> None:
    assert storage.clock is not None
    began = monotonic()
    FIRST[use_case](storage.unit_of_work, storage.clock)
    assert monotonic() - began < WITHIN

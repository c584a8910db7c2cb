"""What is sold in an arm, and to how many."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from statistics import median

import attrs

import seeding
from generators import Target
from plan import Plan
from product import Deployment, Product, on_postgresql, on_sqlite, verify
from stage import Stage

Figures = dict[str, float]

FEW_VENDORS = "few_vendors"
MANY_VENDORS = "many_vendors"
SQLITE = "sqlite"
LARGE = "large"


@attrs.frozen(kw_only=True)
class Market:
    """Which of the products of a database are ordered."""

    database: str = FEW_VENDORS
    products: int = 1
    first: int = 0
    # They lie so far apart.
    stride: int = 1

    def target(self, port: int) -> Target:
        """For the load generators."""
        return Target(port=port, products=self.products, stride=self.stride, first=self.first)


HOT = Market()
UNIFORM = Market(products=seeding.PRODUCTS)
SOLD_OUT = Market(first=seeding.SOLD_OUT)
# The default of those who set nothing: a file, and no broker.
EMBEDDED = Market(database=SQLITE)
VENDORS_300 = Market(database=MANY_VENDORS, products=seeding.PRODUCTS)


def large(plan: Plan, products: int) -> Market:
    """So many products, evenly spread over the large database."""
    return Market(database=LARGE, products=products, stride=plan.stored_products // products)


@attrs.define(kw_only=True)
class Bench:
    """One run: where, how much, and what was found so far."""

    stage: Stage
    plan: Plan
    # Orders a second at saturation, by arm.
    peaks: dict[str, list[float]] = attrs.field(factory=dict)

    def peak(self, arm: str) -> float:
        """As far as it is known."""
        return median(self.peaks[arm])

    @contextmanager
    def deployed(self, market: Market, *commands: str, broker: bool = True) -> Iterator[Deployment]:
        """Commands of the product on a fresh copy of the market's database.

        The large one is used in place: a copy would take minutes. Without the broker, what is
        accepted waits in the outbox; SQLite never has one.
        """
        with self._empty(market, broker) as deployment:
            self.stage.settle_disks()
            deployment.start(*commands)
            yield deployment

    @contextmanager
    def _empty(self, market: Market, broker: bool) -> Iterator[Deployment]:
        if market.database == SQLITE:
            with on_sqlite(self.stage.folder, seeding.sqlite_stock) as deployment:
                yield deployment
            return
        in_place = market.database == LARGE
        name = self.stage.once(market.database, partial(_fill, market.database, self.plan))
        with (
            nullcontext(name) if in_place else self.stage.database(name) as database,
            on_postgresql(self.stage, database, in_place=in_place, broker=broker) as deployment,
        ):
            yield deployment

    def verify_in_place(self) -> None:
        """Verify what is not verified after every arm, as that takes long."""
        if LARGE in self.stage.made:
            with Product(self.stage.folder, self.stage.settings(LARGE)) as service:
                verify(service)


def _fill(database: str, plan: Plan, url: str) -> None:
    if database == FEW_VENDORS:
        seeding.stock(url, seeding.PRODUCTS, seeding.VENDORS)
    elif database == MANY_VENDORS:
        seeding.stock(url, seeding.PRODUCTS, 300)
    else:
        seeding.stock(url, plan.stored_products, seeding.VENDORS)
        seeding.fulfilled_orders(url, plan.stored_orders, plan.stored_products)

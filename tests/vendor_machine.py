"""A vendor's true shelf beside what we believe of it, whatever is late, out of order or askew.

The vendor learns of our orders late, or at once; its reports are on their way for any time and come
in any order; its clock is wrong by no more than the tolerance, our own by anything. What we believe
to be available never exceeds the truth of the newest report, and is the truth in the end.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from order_aggregator.adapters.memory import ManualClock, MemoryStorage
from order_aggregator.domain.allocation import highest_first
from order_aggregator.domain.counting import BY_AS_OF, BY_SEQUENCE, CountsOrders
from order_aggregator.domain.order import Order
from order_aggregator.domain.ports.storage import Storage
from order_aggregator.domain.stock import Vendor
from order_aggregator.domain.stock_updates import StockUpdate
from order_aggregator.domain.use_cases.fulfil_orders import FulfilOrders
from order_aggregator.domain.use_cases.report_intake import SyncResult
from order_aggregator.domain.vendor_sync import Snapshot, StockReport, VendorTerms
from order_aggregator.testing.shop import Feed, Shop, wish

TOLERANCE = timedelta(seconds=60)
DELAY = timedelta(minutes=10)
AFTER = "after"
VENDOR = Vendor(id="acme", name="Acme")
# Of each vendor we take what it says best: a sequence, a date, or neither.
TERMS = VendorTerms(
    counts_orders=CountsOrders(clock_tolerance=TOLERANCE, delay=DELAY), max_cut=None
)
KINDS = (BY_SEQUENCE, BY_AS_OF, AFTER)

seconds = st.integers(0, 200)
askew = st.integers(-3600, 3600)


@attrs.frozen
class Written:
    """A report on its way, and how much of our orders its figure has really counted."""

    snapshot: Snapshot
    learnt: int


class VendorMachine(RuleBasedStateMachine):
    """Rules are what may happen; `new_storage` says where."""

    def __init__(self) -> None:
        super().__init__()
        self.under_way: list[Written] = []
        self.newest: Written | None = None
        self.shelf = 0
        # Of all that was allocated: when, and how much the vendor knows of.
        self.allocated = 0
        self.learnt = 0
        self.unlearnt: list[tuple[int, datetime]] = []

    def new_storage(self) -> Storage:
        return MemoryStorage()

    @initialize(kind=st.sampled_from(KINDS), shelf=st.integers(5, 30))
    def open(self, kind: str, shelf: int) -> None:
        self.kind = kind
        self.shop = Shop(self.new_storage(), highest_first)
        self.skewed = ManualClock(self.shop.clock.now())
        self.worker = FulfilOrders(self.shop.storage.unit_of_work, self.skewed, highest_first)
        self.shelf = shelf
        self.write(0)
        self.receive(0)

    # What may happen.

    @rule(units=st.integers(1, 4), jump=askew)
    def sell(self, units: int, jump: int) -> None:
        """By a worker whose clock is anything."""
        [order] = self.shop.place(wish(apple=units))
        if not isinstance(order, Order):
            return
        self.skewed.advance(timedelta(seconds=jump))
        self.worker([order.id])
        if self.shop.order(order.id).status.value == "fulfilled":
            self.allocated += units
            self.unlearnt.append((self.allocated, self.shop.clock.now()))
            if self.kind == BY_AS_OF:
                self.learn(1)

    @precondition(lambda self: self.unlearnt)
    @rule(orders=st.integers(1, 3))
    def learn(self, orders: int) -> None:
        """The vendor learns of the next of our orders, and takes them from its shelf."""
        for _ in range(min(orders, len(self.unlearnt))):
            total, _ = self.unlearnt.pop(0)
            self.shelf -= total - self.learnt
            self.learnt = total

    @rule(change=st.integers(-5, 8))
    def trade(self, change: int) -> None:
        """Other customers buy there what is not ours, or a delivery comes."""
        self.shelf += max(change, min(0, -self._truth()))

    @rule(skew=st.integers(-60, 60))
    def write(self, skew: int) -> None:
        """The vendor writes a report, by its own clock."""
        now = self.shop.clock.now() + timedelta(seconds=skew)
        report = StockReport(
            product_id="apple",
            # Others may have bought what we sold meanwhile.
            quantity=max(0, self.shelf),
            acked_through=self.learnt if self.kind == BY_SEQUENCE else None,
            as_of=now if self.kind == BY_AS_OF else None,
        )
        snapshot = Snapshot(vendor=VENDOR, as_of=None, reports=(report,))
        self.under_way.append(Written(snapshot, self.learnt))

    @precondition(lambda self: self.under_way)
    @rule(pick=st.integers(0, 3))
    def receive(self, pick: int) -> None:
        """What has no date is of the moment; another report may have waited, and been overtaken."""
        if self.kind == AFTER:
            self.under_way.clear()
            self.write(0)
        written = self.under_way.pop(pick % len(self.under_way))
        self.take_in(written, lambda: self.shop.sync_vendor(Feed(written.snapshot, TERMS)))

    @precondition(lambda self: self.under_way)
    @rule(pick=st.integers(0, 3))
    def receive_part(self, pick: int) -> None:
        """The same, told of the one product alone."""
        if self.kind == AFTER:
            self.under_way.clear()
            self.write(0)
        written = self.under_way.pop(pick % len(self.under_way))
        [report] = written.snapshot.reports
        update = StockUpdate(
            product_id=report.product_id,
            quantity=report.quantity,
            as_of=report.as_of,
            acked_through=report.acked_through,
        )

        def tell() -> SyncResult:
            told: list[SyncResult] = []

            def note(result: SyncResult) -> str:
                told.append(result)
                return ""

            self.shop.update_vendor_stock(VENDOR, TERMS, [update], note)
            return told[0]

        self.take_in(written, tell)

    def take_in(self, written: Written, tell: Callable[[], SyncResult]) -> None:
        """What is refused changes nothing."""
        before = self.shop.vendor_units("apple").get("acme")
        result = tell()
        if result.rejections or result.outdated:
            assert self.shop.vendor_units("apple").get("acme") == before
        else:
            self.newest = written

    @rule(span=seconds)
    def pass_time(self, span: int) -> None:
        """A vendor without dates learns of each order in time."""
        self.shop.pass_time(seconds=span)
        if self.kind == AFTER:
            due = self.shop.clock.now() - DELAY
            while self.unlearnt and self.unlearnt[0][1] <= due:
                self.learn(1)

    # What must hold after each of them.

    @invariant()
    def no_more_is_believed_than_there_is(self) -> None:
        if self.newest is None:
            return
        [report] = self.newest.snapshot.reports
        truth = report.quantity - (self.allocated - self.newest.learnt)
        assert self._believed() <= max(0, truth)

    @invariant()
    def the_ledger_finds_nothing_wrong(self) -> None:
        if self.newest is not None:
            assert self.shop.discrepancies() == []

    def teardown(self) -> None:
        """Once the vendor has learnt of everything, we know what there is."""
        if self.newest is None:
            return
        self.under_way.clear()
        for _ in range(2):
            self.learn(1000) if self.unlearnt else None
            self.shop.pass_time(seconds=(DELAY + TOLERANCE).total_seconds() * 2)
            self.write(0)
            self.receive(0)
        assert self._truth() == self.shelf
        assert self._believed() == max(0, self.shelf)

    def _truth(self) -> int:
        """What the vendor could still sell, if it knew of all our orders."""
        return self.shelf - (self.allocated - self.learnt)

    def _believed(self) -> int:
        return self.shop.vendor_units("apple")["acme"]

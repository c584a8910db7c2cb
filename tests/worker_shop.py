"""A worker on the in-memory adapters, whose steps a test can replace."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from threading import Event
from uuid import UUID, uuid4

import attrs

from order_aggregator import (
    FailOrders,
    FindSuspects,
    FulfilOrders,
    ManualClock,
    MemoryMessageBus,
    MemoryStorage,
    Order,
    OrderLine,
    PlaceOrder,
    PlaceOrders,
    Product,
    RecordFailures,
    RelayMessages,
    RequeueIndividually,
    StockAdjustment,
    StockDelta,
    Vendor,
    VendorStock,
    highest_then_even,
)
from order_aggregator.domain.ports.order_repository import Attempt
from order_aggregator.entrypoints.failures import (
    RetryPolicy,
    SettleFailures,
)
from order_aggregator.entrypoints.worker import Worker

Fulfil = Callable[[Sequence[UUID]], Mapping[UUID, Order | Exception]]
AnnounceAlone = Callable[[Sequence[UUID], Mapping[UUID, str]], Sequence[UUID]]
Fail = Callable[[Mapping[UUID, str]], None]
RecordsFailures = Callable[[Mapping[UUID, Attempt]], None]

RULE = RetryPolicy(max_attempts=3, first_delay=timedelta(milliseconds=5))


class Killed(BaseException):
    """As if the process were gone."""


class Shop:
    """A storage with stock of one vendor, a queue and a worker."""

    def __init__(self, units: int = 10) -> None:
        self.storage = MemoryStorage()
        self.clock = ManualClock()
        self.bus = MemoryMessageBus()
        self.stop = Event()
        self.fulfil = FulfilOrders(self.storage.unit_of_work, self.clock, highest_then_even)
        self.fail = FailOrders(self.storage.unit_of_work, self.clock)
        self.record = RecordFailures(self.storage.unit_of_work, self.clock)
        self.separate = RequeueIndividually(self.storage.unit_of_work, self.clock)
        self.relay = RelayMessages(self.storage.unit_of_work, self.bus, self.clock)
        self.stock("tea", units)

    def stock(self, product_id: str, units: int) -> None:
        now = self.clock.now()
        with self.storage.unit_of_work() as uow:
            uow.stock.accept_report(Vendor(id="acme", name="Acme"), now, now)
            uow.stock.add_products([Product(id=product_id, name=product_id)], now)
            level = VendorStock(
                vendor_id="acme", product_id=product_id, available=units, reported=units
            )
            uow.stock.upsert_vendor_stock([level])
            uow.stock.record(
                [
                    StockAdjustment(
                        vendor_id="acme", product_id=product_id, delta=units, cause="test", at=now
                    )
                ]
            )
            uow.stock.change([StockDelta(product_id=product_id, on_hand=units)], now)
            uow.commit()

    def lose(self, product_id: str, units: int) -> None:
        """The vendor reports less than was sold."""
        now = self.clock.now()
        with self.storage.unit_of_work() as uow:
            level = uow.stock.lock_vendor_stock([product_id])[0]
            less = attrs.evolve(
                level, available=level.available - units, reported=level.available - units
            )
            uow.stock.upsert_vendor_stock([less])
            uow.stock.record(
                [
                    StockAdjustment(
                        vendor_id="acme", product_id=product_id, delta=-units, cause="test", at=now
                    )
                ]
            )
            uow.stock.change([StockDelta(product_id=product_id, on_hand=-units)], now)
            uow.commit()

    def place(self, product_id: str = "tea", quantity: int = 1) -> UUID:
        """Place an order, and announce it alone."""
        [order_id] = self.place_together((product_id, quantity))
        return order_id

    def place_together(self, *wishes: tuple[str, int]) -> list[UUID]:
        """Place orders of so much of a product each, and announce them in one message."""
        commands = [
            PlaceOrder(order_id=uuid4(), lines=(OrderLine(product_id=key, quantity=quantity),))
            for key, quantity in wishes
        ]
        orders = PlaceOrders(self.storage.unit_of_work, self.clock)(commands)
        assert all(isinstance(order, Order) for order in orders), orders
        assert len(self.relay()) == 1
        return [command.order_id for command in commands]

    def order(self, order_id: UUID) -> Order:
        order = self.storage.read_model.order(order_id)
        assert order is not None
        return order

    def worker(
        self,
        *,
        fulfil: Fulfil | None = None,
        requeue_individually: AnnounceAlone | None = None,
        fail: Fail | None = None,
        record: RecordsFailures | None = None,
        rule: RetryPolicy = RULE,
    ) -> Worker:
        """A worker whose steps are these, or else those of the shop."""
        return Worker(
            bus=self.bus,
            fulfil=fulfil or self.fulfil,
            requeue_individually=requeue_individually or self.separate,
            find_suspects=FindSuspects(self.storage.read_model),
            settle_failures=SettleFailures(
                fail=fail or self.fail,
                record_failures=record or self.record,
                rule=rule,
                stop=self.stop,
            ),
            stop=self.stop,
        )

    def step(self, worker: Worker, times: int = 1, timeout: float = 1.0) -> None:
        """Receive and handle so many batches."""
        with self.bus.consume() as consumer:
            for _ in range(times):
                worker.handle(consumer, worker.read(consumer, consumer.receive(100, timeout)))
                self.relay()

    def queued(self) -> int:
        with self.bus.consume() as consumer:
            return len(consumer.receive(1000, 0.05))

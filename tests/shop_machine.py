"""A shop that does anything in any order, beside a model of it in plain Python.

After every step each balance equals the model's, and the ledger finds nothing wrong.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from order_aggregator.adapters.memory import MemoryMessageBus, MemoryStorage
from order_aggregator.domain.allocation import POLICIES
from order_aggregator.domain.errors import (
    BrokerUnavailable,
    IdempotencyKeyReused,
    InsufficientStock,
    UnknownOrder,
    UnknownProducts,
    VendorShortage,
)
from order_aggregator.domain.order import Order, OrderStatus
from order_aggregator.domain.ports.storage import Storage
from order_aggregator.domain.use_cases.place_orders import PlaceOrder
from order_aggregator.testing.shop import RESEND_AFTER, Shop, announced, lines, next_order_id

PRODUCTS = ("apple", "fig", "pear")
VENDORS = ("acme", "bert", "cleo")

# What is drawn leans towards what can be done: nothing is learned from a shop that refuses all.
keys = st.sampled_from([*[None] * 8, "key 1", "key 2", "key 3"])
units = st.integers(1, 6)
baskets = st.sampled_from(
    [("apple",), ("fig",), ("pear",), ("apple", "fig"), PRODUCTS, ("kiwi",), ("apple", "kiwi")]
).flatmap(lambda basket: st.fixed_dictionaries(dict.fromkeys(basket, units)))
wishes = st.tuples(keys, baskets)
reports = st.fixed_dictionaries({}, optional=dict.fromkeys(PRODUCTS, st.integers(0, 6)))
first_reports = st.fixed_dictionaries(dict.fromkeys(PRODUCTS, st.integers(3, 9)))
# Positions in the list of all orders, newest first, again from its start when past its end.
picks = st.lists(st.integers(0, 9), min_size=1, max_size=5)


class MoodyBus(MemoryMessageBus):
    """A bus that does as it is told: confirm all, confirm some, or be down."""

    def __init__(self) -> None:
        super().__init__()
        self.mood = "well"

    def publish(self, bodies: Sequence[bytes]) -> list[bool]:
        if self.mood == "down":
            raise BrokerUnavailable("nobody listens")
        super().publish(bodies)
        return [self.mood == "well" or position % 2 == 0 for position in range(len(bodies))]

    def ping(self) -> None:
        self.publish([])


@attrs.define
class ModelOrder:
    """What the model knows of an order."""

    lines: dict[str, int]
    key: str | None
    status: str = "reserved"
    taken: Counter[tuple[str, str]] = attrs.Factory(Counter)
    failed_attempts: int = 0


@attrs.define
class ModelLevel:
    """What the model knows of one vendor's stock of one product."""

    available: int
    reported: int
    allocated: int = 0
    counted: int = 0
    # When each total was first seen.
    marks: dict[int, datetime] = attrs.Factory(dict)


class ShopMachine(RuleBasedStateMachine):
    """Rules are what may happen; `new_storage` says where."""

    def __init__(self) -> None:
        super().__init__()
        self.orders: dict[UUID, ModelOrder] = {}
        self.levels: dict[tuple[str, str], ModelLevel] = {}
        self.reported_at: dict[str, datetime] = {}
        self.bus = MoodyBus()

    def new_storage(self) -> Storage:
        return MemoryStorage()

    @initialize(policy=st.sampled_from(sorted(POLICIES)), report=first_reports)
    def open(self, policy: str, report: dict[str, int]) -> None:
        self.shop = Shop(self.new_storage(), POLICIES[policy], self.bus)
        for vendor in VENDORS[:2]:
            self.sync(vendor, report, 0)
        self.shop.pass_time(minutes=1)

    # What may happen.

    @rule(vendor=st.sampled_from(VENDORS), report=reports, age=st.integers(0, 4))
    def sync(self, vendor: str, report: dict[str, int], age: int) -> None:
        as_of = self.shop.clock.now() - timedelta(minutes=age)
        result = self.shop.sync(vendor, report, as_of)
        before = {key: level.available for key, level in self.levels.items()}
        if self.reported_at.get(vendor, as_of) > as_of:
            assert result.adjustments == ()
            return
        self.reported_at[vendor] = as_of
        gone = {p: 0 for (v, p), level in self.levels.items() if v == vendor and level.reported}
        for product, reported in (gone | report).items():
            self._report(vendor, product, reported, as_of)
        deltas = Counter({key: level.available for key, level in self.levels.items()})
        deltas.subtract(before)
        found = {(entry.vendor_id, entry.product_id): entry.delta for entry in result.adjustments}
        assert found == {key: delta for key, delta in deltas.items() if delta}

    @rule(batch=st.lists(wishes, min_size=1, max_size=4), recheck=st.booleans())
    def place(self, batch: list[tuple[str | None, dict[str, int]]], *, recheck: bool) -> None:
        commands = [
            PlaceOrder(order_id=next_order_id(), lines=lines(wanted), idempotency_key=key)
            for key, wanted in batch
        ]
        for command, outcome in zip(
            commands, self.shop.place(*commands, recheck=recheck), strict=True
        ):
            self._check_placed(command, outcome)

    @rule(chosen=picks, unknown=st.booleans())
    def fulfil(self, chosen: list[int], *, unknown: bool) -> None:
        self._fulfil([*self._picked(chosen), *([next_order_id()] if unknown else [])])

    @rule(chosen=picks)
    def fail(self, chosen: list[int]) -> None:
        order_ids = self._picked(chosen[:2])
        self.shop.fail_orders(dict.fromkeys(order_ids, "given up"))
        for order_id in order_ids:
            order = self.orders.get(order_id)
            if order is not None and order.status == "reserved":
                order.status = "failed"

    @rule(chosen=picks, attempt=st.integers(1, 9))
    def record_failures(self, chosen: list[int], attempt: int) -> None:
        order_ids = self._picked(chosen)
        self.shop.record_failures(dict.fromkeys(order_ids, attempt))
        for order_id in order_ids:
            if self.orders[order_id].status == "reserved":
                self.orders[order_id].failed_attempts = attempt

    @rule(minutes=st.integers(1, 6))
    def pass_time(self, minutes: int) -> None:
        self.shop.pass_time(minutes=minutes)

    @rule(mood=st.sampled_from(["well", "doubtful", "down"]))
    def relay(self, mood: str) -> None:
        self.bus.mood = mood
        with suppress(BrokerUnavailable):
            self.shop.relay_messages()

    @rule()
    def resend(self) -> None:
        resent = self.shop.resend_orders()
        assert all(self.orders[order_id].status == "reserved" for order_id in resent)
        for order_id in resent:
            self.orders[order_id].failed_attempts = 0

    @rule(minutes=st.integers(0, 9))
    def prune(self, minutes: int) -> None:
        """What ended and has not changed for so long is gone, and nothing else is different."""
        before = self.shop.clock.now() - timedelta(minutes=minutes)
        old = [
            order.id
            for order in self.shop.storage.read_model.orders(0, 1000).items
            if order.status is not OrderStatus.RESERVED and order.updated_at < before
        ]
        assert self.shop.prune_orders(timedelta(minutes=minutes)).orders == len(old)
        for order_id in old:
            del self.orders[order_id]

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def separate(self, data: st.DataObject) -> None:
        """Whatever their status: a message too many changes nothing."""
        known = st.sampled_from(sorted(self.orders))
        self.shop.separate_orders(data.draw(st.lists(known, min_size=1, max_size=3)))

    @rule(limit=st.integers(1, 5), dies=st.booleans())
    def work(self, limit: int, *, dies: bool) -> None:
        """A worker fulfils what it receives; one that dies has its messages delivered again."""
        with self.bus.consume() as consumer:
            deliveries = consumer.receive(limit, 0)
            self._fulfil(announced(deliveries))
            if not dies:
                consumer.acknowledge(deliveries)

    # What must hold after each of them.

    @invariant()
    def balances_equal_the_model(self) -> None:
        on_hand = self._on_hand()
        reserved = self._reserved()
        page = self.shop.storage.read_model.stock(0, 100)
        found = {level.product_id: (level.on_hand, level.reserved) for level in page.items}
        assert found == {p: (on_hand[p], reserved[p]) for p in self._products()}
        assert all(level.available == self._available(level.product_id) for level in page.items)

    @invariant()
    def vendor_stock_equals_the_model(self) -> None:
        page = self.shop.storage.read_model.vendor_stock(0, 100)
        assert {
            (level.vendor_id, level.product_id): (level.available, level.reported, level.as_of)
            for level in page.items
        } == {
            key: (level.available, level.reported, self.reported_at[key[0]])
            for key, level in self.levels.items()
        }

    @invariant()
    def orders_equal_the_model(self) -> None:
        page = self.shop.storage.read_model.orders(0, 1000)
        assert [order.id for order in page.items] == sorted(self.orders, reverse=True)
        for order in page.items:
            known = self.orders[order.id]
            assert (order.status.value, order.idempotency_key) == (known.status, known.key)
            assert {line.product_id: line.quantity for line in order.lines} == known.lines
            assert _taken(order) == known.taken
        assert self.shop.storage.read_model.failed_attempts(self.orders) == {
            order_id: order.failed_attempts for order_id, order in self.orders.items()
        }

    @invariant()
    def the_ledger_finds_nothing_wrong(self) -> None:
        assert self.shop.discrepancies() == []

    def teardown(self) -> None:
        """Once everything outside is well again, every accepted order comes to its end."""
        if not hasattr(self, "shop"):
            return
        self.bus.mood = "well"
        self.shop.clock.advance(RESEND_AFTER + timedelta(seconds=1))
        for vendor in VENDORS:
            self.sync(vendor, dict.fromkeys(PRODUCTS, 1_000_000), 0)
        self._send_everything()
        self.shop.clock.advance(RESEND_AFTER + timedelta(seconds=1))
        self.resend()
        self._send_everything()
        with self.bus.consume() as consumer:
            deliveries = consumer.receive(10_000, 0)
            self._fulfil(announced(deliveries))
        assert "reserved" not in {order.status for order in self.orders.values()}
        self.balances_equal_the_model()
        self.the_ledger_finds_nothing_wrong()

    def _send_everything(self) -> None:
        while self.shop.relay_messages():
            pass

    # The model.

    def _report(self, vendor: str, product: str, reported: int, as_of: datetime) -> None:
        level = self.levels.setdefault((vendor, product), ModelLevel(0, 0))
        if level.counted < level.allocated:
            level.marks.setdefault(level.allocated, self.shop.clock.now())
            marked = [total for total, at in level.marks.items() if at <= as_of]
            level.counted = max([level.counted, *marked])
        level.reported = reported
        level.available = max(0, reported - (level.allocated - level.counted))

    def _check_placed(self, command: PlaceOrder, outcome: object) -> None:
        wanted = {line.product_id: line.quantity for line in command.lines}
        earlier = self._with_key(command.idempotency_key)
        if earlier is not None and self.orders[earlier].lines == wanted:
            assert isinstance(outcome, Order)
            assert outcome.id == earlier
        elif earlier is not None:
            assert isinstance(outcome, IdempotencyKeyReused)
        elif not wanted.keys() <= self._products():
            assert isinstance(outcome, UnknownProducts)
        elif any(self._available(product) < units for product, units in wanted.items()):
            assert isinstance(outcome, InsufficientStock)
        else:
            assert isinstance(outcome, Order)
            self.orders[outcome.id] = ModelOrder(lines=wanted, key=command.idempotency_key)

    def _fulfil(self, order_ids: Sequence[UUID]) -> None:
        outcomes = self.shop.fulfil_orders(order_ids)
        assert outcomes.keys() == set(order_ids)
        # Oldest first.
        for order_id in sorted(set(order_ids)):
            self._check_fulfilled(order_id, outcomes[order_id])

    def _check_fulfilled(self, order_id: UUID, outcome: object) -> None:
        order = self.orders.get(order_id)
        if order is None:
            assert isinstance(outcome, UnknownOrder)
        elif order.status != "reserved":
            assert isinstance(outcome, Order)
            assert outcome.status.value == order.status
        elif any(self._on_hand()[product] < units for product, units in order.lines.items()):
            assert isinstance(outcome, VendorShortage)
        else:
            assert isinstance(outcome, Order)
            self._take(order, _taken(outcome))

    def _take(self, order: ModelOrder, taken: Counter[tuple[str, str]]) -> None:
        units = Counter[str]()
        for (vendor, product), parts in taken.items():
            assert parts <= self.levels[vendor, product].available
            self.levels[vendor, product].available -= parts
            self.levels[vendor, product].allocated += parts
            units[product] += parts
        assert units == order.lines
        order.status, order.taken = "fulfilled", taken

    def _picked(self, chosen: Sequence[int]) -> list[UUID]:
        newest = sorted(self.orders, reverse=True)
        return [newest[pick % len(newest)] for pick in chosen if newest]

    def _with_key(self, key: str | None) -> UUID | None:
        found = (order_id for order_id, order in self.orders.items() if key and order.key == key)
        return next(found, None)

    def _products(self) -> set[str]:
        return {product for _, product in self.levels}

    def _on_hand(self) -> defaultdict[str, int]:
        units = defaultdict[str, int](int)
        for (_, product), level in self.levels.items():
            units[product] += level.available
        return units

    def _reserved(self) -> Counter[str]:
        units = Counter[str]()
        for order in self.orders.values():
            if order.status == "reserved":
                units.update(order.lines)
        return units

    def _available(self, product: str) -> int:
        return max(0, self._on_hand()[product] - self._reserved()[product])


def _taken(order: Order) -> Counter[tuple[str, str]]:
    return Counter({(part.vendor_id, part.product_id): part.quantity for part in order.allocations})

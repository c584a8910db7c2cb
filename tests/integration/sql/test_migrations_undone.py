"""Migrations can be undone and done again, with data in every table, and under load."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from threading import Event
from uuid import UUID

import attrs
import pytest
from sqlalchemy import Engine, func, select

from order_aggregator.adapters.sql import SqlMessageBus, SqlStorage, migrate
from order_aggregator.adapters.sql.migrations import downgrade, undone_by, upgrade, versions
from order_aggregator.adapters.sql.revision import HEAD
from order_aggregator.adapters.sql.schema import metadata
from order_aggregator.domain.access import ADMIN, ORDERS_WRITE, Principal, permitted_by
from order_aggregator.domain.counting import CountsOrders
from order_aggregator.domain.errors import Conflict, InvalidValue, Rejection, Unavailable
from order_aggregator.domain.order import OnShortage, Order, ReturnLine
from order_aggregator.domain.ports.process_registry import Figures
from order_aggregator.domain.ports.vendor_directory import DeclaredVendor
from order_aggregator.domain.stock import ProductLimits, Vendor
from order_aggregator.domain.use_cases.cancel_orders import CancelOrder
from order_aggregator.domain.use_cases.idempotency import RequestKey
from order_aggregator.domain.use_cases.keep_audit import RecordChange
from order_aggregator.domain.use_cases.return_orders import ReturnOrder
from order_aggregator.domain.use_cases.watch_outbox import WatchOutbox
from order_aggregator.domain.vendor_sync import VendorTerms
from order_aggregator.domain.webhooks import Message
from order_aggregator.testing.process_registry import make_process
from order_aggregator.testing.shop import Feed, Shop, lines, snapshot, wish
from order_aggregator.testing.shop_work import NOW, work
from order_aggregator.testing.webhooks import make_webhook
from service import eventually

FILES = Path(versions.__file__).parent.glob("[0-9]*.py")
# From the newest but one down to the first.
EARLIER = sorted((file.name[:4] for file in FILES), reverse=True)[1:]
HOUR = timedelta(hours=1)


def _fill(engine: Engine) -> Shop:
    """Leave something in every table, by way of the product."""
    storage = SqlStorage(engine)
    shop = Shop(storage)
    declared = DeclaredVendor(
        vendor=Vendor(id="later", name="Later"), entry="{}", folder="/", from_file=False
    )
    work(storage, lambda uow: uow.vendors.declare([declared]))
    _report(shop)
    _sell(shop)
    shop.set_product("apple", "Apples", ProductLimits(low_at=3, backorder_limit=50))
    _tell(shop, engine)
    storage.processes.note(make_process("a"), NOW, Figures(done=1, refused=0))
    shop.token_actions.create("till", [ORDERS_WRITE])
    operator = Principal(id="cli:root", permitted=permitted_by([ADMIN]))
    RecordChange(storage.unit_of_work, shop.clock)(operator, "vendor retire", status=0)
    assert shop.discrepancies() == []
    return shop


def _report(shop: Shop) -> None:
    shop.sync("acme", {"apple": 50, "pear": 9})
    # Of one that is silent from now on, so that its stock becomes stale.
    silent = VendorTerms(max_age=HOUR, max_cut=None)
    report = snapshot("bolt", {"apple": 30, "fig": 5}, shop.clock.now())
    bad = Rejection(place="row 3", product_id=None, field="quantity", reason="must be a number")
    shop.sync_vendor(Feed(attrs.evolve(report, rejections=(bad,)), silent))


def _sell(shop: Shop) -> None:
    actions = shop.order_actions
    old = shop.accepted(apple=2)
    shop.fulfil(old)
    shop.pass_time(days=100)
    assert shop.prune_orders(timedelta(days=90)).orders == 1
    done, back, part = shop.accepted(apple=4, pear=1), shop.accepted(pear=2), shop.accepted(apple=9)
    actions.cancel([CancelOrder(order_id=part.id, lines=lines({"apple": 4}))])
    shop.fulfil(done, back, part)
    # A report that may not have counted these, whose totals are marked therefore.
    late = VendorTerms(counts_orders=CountsOrders(by_as_of=False, delay=HOUR), max_cut=None)
    shop.sync_vendor(Feed(snapshot("acme", {"apple": 44, "pear": 9}, shop.clock.now()), late))
    apple = (ReturnLine(product_id="apple", quantity=1),)
    key = RequestKey(scope="return", key="k", digest="d")
    actions.give_back.once(ReturnOrder(order_id=done.id, lines=apple), str, key)
    actions.give_back([ReturnOrder(order_id=back.id, restock=False)])
    two = shop.accepted(apple=1, pear=1)
    actions.cancel([CancelOrder(order_id=two.id, lines=lines({"pear": 1}))])
    shop.place(attrs.evolve(wish(apple=3), hold_for=timedelta(days=1)))
    shop.place(attrs.evolve(wish(pear=90), on_shortage=OnShortage.BACKORDER))
    failing, unlucky = shop.accepted(apple=1), shop.accepted("a-key", apple=2)
    shop.fail_orders({failing.id: "nobody has it"})
    shop.record_failures({unlucky.id: 2})
    shop.withhold_stale_stock()


def _tell(shop: Shop, engine: Engine) -> None:
    """Messages, events and webhooks."""
    storage = shop.storage
    hook, told = make_webhook("hook"), Message(id="1", type="x", subject="y", body="{}")
    work(storage, lambda uow: uow.webhooks.add(hook))
    work(storage, lambda uow: uow.webhooks.add_deliveries([("hook", told)], NOW))
    assert storage.event_feed.read(0, 1)
    work(storage, lambda uow: uow.events.claim("reader", NOW, NOW))
    assert WatchOutbox(storage.unit_of_work, shop.clock, overdue=timedelta(0))()
    bus = SqlMessageBus(engine, shop.clock)
    with bus.consume() as consumer:
        [first] = consumer.receive(1, 0)
        consumer.park([(first, "it makes no sense")])


def _counts(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in metadata.sorted_tables
        }


@pytest.fixture
def filled(engine: Engine) -> Shop:
    return _fill(engine)


def test_every_migration_is_undone_and_done_again_and_the_balances_agree(
    engine: Engine, filled: Shop
) -> None:
    """Down one by one, and up one by one."""
    counts, levels = _counts(engine), filled.storage.read_model.vendor_stock(0, 100).items
    # Each kind of database leaves one empty that the other needs.
    empty = {name for name, count in counts.items() if not count}
    assert empty <= {"boots", "event_position"}
    for revision in EARLIER:
        assert undone_by(engine, revision)
        downgrade(engine, revision)
    for revision in reversed([HEAD, *EARLIER]):
        upgrade(engine, revision)
    assert filled.discrepancies() == []
    after = filled.storage.read_model.vendor_stock(0, 100).items
    assert [each.available for each in after] == [each.available for each in levels]
    assert _counts(engine)["orders"] == counts["orders"]
    # Nobody holds anything, or waits, any more; and stale stock was fresh again.
    order = filled.accepted(apple=5)
    assert isinstance(filled.fulfil(order)[0], Order)
    assert filled.discrepancies() == []


@pytest.mark.parametrize("revision", EARLIER)
def test_code_of_the_newest_revision_goes_on_once_one_is_done_again(
    engine: Engine, filled: Shop, revision: str
) -> None:
    downgrade(engine, revision)
    with pytest.raises(Unavailable, match="order-aggregator migrate"):
        filled.storage.read_model.ping()
    migrate(engine)
    assert filled.discrepancies() == []
    assert isinstance(filled.fulfil(filled.accepted(apple=2))[0], Order)
    assert filled.discrepancies() == []


def test_what_cannot_be_reached_is_said(engine: Engine) -> None:
    for revision in ("0000", HEAD, "x"):
        with pytest.raises(InvalidValue, match=f"revision: must be one before {HEAD}"):
            downgrade(engine, revision)
    assert undone_by(engine, "0010")[-1].startswith("0011 Forgets webhooks")


def test_orders_go_on_while_the_newest_migration_is_undone_and_done_again(
    engine: Engine, filled: Shop
) -> None:
    """Whoever is in the way waits for a moment, or is told to come again: nothing is lost."""
    filled.sync("load", {"nut": 100_000})
    stop = Event()

    def buy() -> list[UUID]:
        placed: list[UUID] = []
        while not stop.is_set():
            with suppress(Unavailable, Conflict):
                placed.append(filled.accepted(nut=1).id)
                filled.fulfil_orders(placed[-1:])
        return placed

    with ThreadPoolExecutor(4) as pool:
        buyers = [pool.submit(buy) for _ in range(4)]
        try:
            for _ in range(3):
                _wait_for_orders(filled)
                downgrade(engine, EARLIER[0])
                _wait_for_orders(filled)
                migrate(engine)
        finally:
            stop.set()
    placed = [order_id for buyer in buyers for order_id in buyer.result()]
    assert all(filled.order(order_id) for order_id in placed)
    assert filled.discrepancies() == []


def _wait_for_orders(shop: Shop) -> None:
    """Until somebody has bought something meanwhile."""
    before = shop.balance("nut")
    eventually(lambda: shop.balance("nut") != before)

"""An API with something of everything to look at: the same each time, but for random tokens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from math import sin

import attrs
from flask import Flask

from api_under_test import ApiUnderTest
from asgi_servers import serving_uvicorn
from order_aggregator.domain.order import OnShortage, Order
from order_aggregator.domain.ports.process_registry import Figures, Process, ProcessKind
from order_aggregator.domain.stock import ProductLimits
from order_aggregator.domain.use_cases.place_orders import PlaceOrder
from order_aggregator.domain.vendor_sync import VendorTerms
from order_aggregator.domain.webhooks import Message
from order_aggregator.entrypoints.api.scheduling import GreenletScheduler
from order_aggregator.entrypoints.serving.asgi import AsgiApplication
from order_aggregator.testing.process_registry import make_process
from order_aggregator.testing.shop import Feed, lines, next_order_id, snapshot
from order_aggregator.testing.shop_work import work
from order_aggregator.testing.webhooks import make_webhook

WEBHOOK = "01890a5d-ac96-774b-bcce-b302099a8057"
STOCK = {f"sku-{n:03}": 40 + 7 * n for n in range(12)} | {"sku-beans": 3, "sku-cups": 0}


@attrs.define
class DashboardShop:
    api: ApiUnderTest
    root: str
    token: str

    @property
    def home(self) -> str:
        return f"{self.root}/dashboard"


@contextmanager
def serving() -> Iterator[DashboardShop]:
    """The API on a socket; it asks who calls."""
    made: list[ApiUnderTest] = []

    @contextmanager
    def build(scheduler: GreenletScheduler) -> Iterator[Flask]:
        api = ApiUnderTest(scheduler=scheduler, is_open=False)
        _fill(api)
        made.append(api)
        yield api.app

    with serving_uvicorn(AsgiApplication(build, threads=4)) as server:
        [api] = made
        root = f"http://127.0.0.1:{server.port}"
        yield DashboardShop(api, root, api.token("operate"))


def buy(api: ApiUnderTest, product_id: str, quantity: int) -> Order:
    """Place an order, which must be accepted."""
    [order] = api.shop.place(
        PlaceOrder(order_id=next_order_id(), lines=lines({product_id: quantity}))
    )
    assert isinstance(order, Order), order
    return order


def _fill(api: ApiUnderTest) -> None:
    shop = api.shop
    api.stock("north", STOCK)
    api.stock("south", {name: units // 2 for name, units in STOCK.items()})
    shop.set_product("sku-beans", "Espresso beans <1 kg>", ProductLimits(low_at=10))
    for number in range(8):
        order = buy(api, f"sku-{number:03}", 1 + number % 3)
        if number % 2:
            shop.fulfil(order)
    waiting = PlaceOrder(
        order_id=next_order_id(),
        lines=lines({"sku-cups": 4}),
        on_shortage=OnShortage.BACKORDER,
        reference="<script>alert(1)</script>",
    )
    shop.place(waiting)
    park(api)
    _quarantine(api)
    hook = make_webhook(WEBHOOK)
    message = Message(id="event-1", type="order.tested", subject="order", body="{}")
    work(shop.storage, lambda uow: uow.webhooks.add(hook))
    now = shop.clock.now()
    work(shop.storage, lambda uow: uow.webhooks.add_deliveries([(hook.id, message)], now))
    work(shop.storage, lambda uow: uow.webhooks.bury(hook.id, "answered 500"))
    for kind in (ProcessKind.API, ProcessKind.WORKER):
        _beat(api, attrs.evolve(make_process(f"{kind}-1", kind), host="shop-1", pid=4711))


def park(api: ApiUnderTest) -> None:
    """Give up all messages, and two more."""
    orders = [buy(api, "sku-011", 1) for _ in range(2)]
    api.shop.separate_orders([order.id for order in orders])
    api.shop.relay_messages()
    with api.shop.bus.consume() as consumer:
        received = consumer.receive(100, 1)
        consumer.park([(each, "ValueError: a bug") for each in received])


def _quarantine(api: ApiUnderTest) -> None:
    """A report that takes away much."""
    api.stock("west", {"sku-beans": 100})
    few = snapshot("west", {"sku-beans": 2}, api.shop.clock.now())
    api.gateways["west"] = Feed(few, VendorTerms())
    api.shop.sync_vendor(api.gateways["west"])


def _beat(api: ApiUnderTest, process: Process) -> None:
    """An hour of work, with a dip in its middle."""
    now, done = api.shop.clock.now(), 0
    for second in range(-3600, 1, 15):
        busy = abs(second + 1700) > 150
        done += int(15 * (40 + 25 * sin(second / 400))) if busy else 0
        seconds = 0.012 + 0.004 * sin(second / 250)
        figures = Figures(
            done=done,
            refused=done // 40 if process.kind is ProcessKind.API else 0,
            p50=seconds if busy else None,
            p99=seconds * 4 if busy else None,
            reserved=60 + int(50 * sin(second / 500)) if busy else 40 * (second + 1850),
            oldest_wait=0.4 if busy else float(second + 1850),
        )
        seen = attrs.evolve(process, last_seen=now + timedelta(seconds=second))
        api.shop.storage.processes.note(seen, now - timedelta(hours=1), figures)

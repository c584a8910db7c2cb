"""Many writers at once: they queue, none fails, nothing is lost."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from threading import Thread
from time import sleep

from sqlalchemy import Engine, text

from order_aggregator.adapters.sql import SqlStorage
from order_aggregator.domain.order import Order
from order_aggregator.domain.ports.unit_of_work import UnitOfWork
from order_aggregator.domain.stock import Product
from order_aggregator.testing.race import race
from order_aggregator.testing.shop import Shop, wish
from order_aggregator.testing.shop_work import NOW, central, stock_up, work

WRITE = """
import sys
from datetime import datetime, UTC
from order_aggregator.adapters.sql import SqlStorage, create_engine
from order_aggregator.domain.stock import StockDelta

engine = create_engine(sys.argv[1])
storage = SqlStorage(engine)
for _ in range(int(sys.argv[2])):
    with storage.unit_of_work() as uow:
        before = uow.stock.lock(["apple"])["apple"]
        rest = before.on_hand - before.reserved
        change = StockDelta(product_id="apple", on_hand=1, reserved=rest)
        uow.stock.change([change], datetime.now(UTC))
        uow.commit()
engine.dispose()
"""


def test_processes_take_turns(engine: Engine) -> None:
    """Each step reads before it writes: had two overlapped, the second had read old figures."""
    storage = SqlStorage(engine)
    stock_up(storage, "acme", apple=1)
    address = engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-W", "error", "-c", WRITE, address, "100"]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0] * 3
    assert central(storage, "apple") == (301, 300)


def test_crosswise_batches_never_deadlock(engine: Engine) -> None:
    """Placing, fulfilling, failing and taking in reports, all over the same few products."""
    storage = SqlStorage(engine)
    products = {f"p{number}": 10_000 for number in range(12)}
    for vendor_id in ("acme", "bolt"):
        Shop(storage).sync(vendor_id, products)

    def trade(seed: int) -> None:
        chance = random.Random(seed)
        shop = Shop(storage)
        for _ in range(15):
            wishes = [
                wish(None, **dict.fromkeys(chance.sample(sorted(products), 3), 1)) for _ in range(5)
            ]
            orders = [order for order in shop.place(*wishes) if isinstance(order, Order)]
            chance.shuffle(orders)
            shop.fulfil(*orders[1:])
            shop.fail_orders({orders[0].id: "reason"})

    def report(seed: int) -> None:
        chance = random.Random(seed)
        shop = Shop(storage)
        for minute in range(1, 15):
            shop.pass_time(minutes=minute)
            names = chance.sample(sorted(products), len(products))
            shop.sync("acme", {name: chance.randrange(5_000, 9_000) for name in names})

    race(
        [lambda seed=seed: trade(seed) for seed in range(5)]
        + [lambda: report(0), lambda: report(1)]
    )
    assert Shop(storage).discrepancies() == []


def test_new_products_are_added_in_the_order_of_their_ids(postgresql: Engine) -> None:
    """Whoever waits for another has added nothing that the other may come to later."""
    storage = SqlStorage(postgresql)

    def add(*names: str) -> Callable[[UnitOfWork], None]:
        return lambda uow: uow.stock.add_products([Product(id=n, name=n) for n in names], NOW)

    with storage.unit_of_work() as first:
        add("middle")(first)
        first.stock.lock(["middle"])  # Any question is sent with what was added before it.
        second = Thread(target=work, args=(storage, add("zebra", "middle", "ant")))
        second.start()
        wait_until_blocked(postgresql)
        add("zebra")(first)
        first.commit()
    second.join()
    assert storage.read_model.stock(0, 0).total == 3


def wait_until_blocked(engine: Engine) -> None:
    """Wait for somebody who waits for a lock."""
    with engine.connect() as connection:
        while not connection.execute(text("SELECT 1 FROM pg_locks WHERE NOT granted")).all():
            sleep(0.01)

"""Many writers at once: they queue, none fails, nothing is lost."""

from __future__ import annotations

import random
import subprocess
import sys

from sqlalchemy import Engine

from order_aggregator.adapters.sql import SqlStorage
from order_aggregator.domain.order import Order
from race import race
from shop import Shop, wish
from shop_work import central, stock_up

WRITE = """
import sys
from datetime import datetime, UTC
from order_aggregator.adapters.sql import SqlStorage, create_engine
from order_aggregator.domain.stock import StockChange

engine = create_engine(sys.argv[1])
storage = SqlStorage(engine)
for _ in range(int(sys.argv[2])):
    with storage.unit_of_work() as uow:
        before = uow.stock.lock(["apple"])["apple"]
        rest = before.on_hand - before.reserved
        change = StockChange(product_id="apple", on_hand=1, reserved=rest)
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

    def trade(seed: int) -> int:
        chance = random.Random(seed)
        shop = Shop(storage)
        for _ in range(15):
            wishes = [
                wish(**dict.fromkeys(chance.sample(sorted(products), 3), 1)) for _ in range(5)
            ]
            orders = [order for order in shop.place(*wishes) if isinstance(order, Order)]
            chance.shuffle(orders)
            shop.fulfil(*orders[1:])
            shop.fail_orders({orders[0].id: "reason"})
        return len(orders)

    def report(seed: int) -> int:
        chance = random.Random(seed)
        shop = Shop(storage)
        for minute in range(1, 15):
            shop.pass_time(minutes=minute)
            names = chance.sample(sorted(products), len(products))
            shop.sync("acme", {name: chance.randrange(5_000, 9_000) for name in names})
        return 0

    race(
        [lambda seed=seed: trade(seed) for seed in range(5)]
        + [lambda: report(0), lambda: report(1)]
    )
    assert Shop(storage).discrepancies() == []


def test_both_may_add_the_same_new_products(engine: Engine) -> None:
    storage = SqlStorage(engine)
    names = [f"p{number:03}" for number in range(200)]

    def report(vendor_id: str, names: list[str]) -> None:
        Shop(storage).sync(vendor_id, dict.fromkeys(names, 1))

    race([lambda: report("acme", names), lambda: report("bolt", names[::-1])] * 2)
    assert Shop(storage).balance("p000") == (2, 0)
    assert Shop(storage).discrepancies() == []

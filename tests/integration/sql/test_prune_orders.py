"""Old orders are removed from databases that are in use."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from time import monotonic

import pytest
from sqlalchemy import Engine, text

from order_aggregator.adapters.sql import SqlStorage
from order_aggregator.domain.errors import IllegalTransition, UnknownOrder
from order_aggregator.domain.order import Order, ReturnLine
from order_aggregator.domain.use_cases.return_orders import ReturnOrder
from order_aggregator.testing.race import race
from order_aggregator.testing.shop import Shop, wish

DAY = timedelta(days=1)


@pytest.fixture
def shop(storage: SqlStorage) -> Shop:
    shop = Shop(storage)
    shop.sync("acme", {"apple": 500, "pear": 300})
    shop.sync("bolt", {"apple": 400})
    return shop


def _stock(engine: Engine) -> list[list[tuple[object, ...]]]:
    tables = ("central_stock", "vendor_stock", "allocation_marks")
    with engine.connect() as connection:
        return [
            sorted(map(tuple, connection.execute(text(f"SELECT * FROM {table}")).all()))
            for table in tables
        ]


def _counts(engine: Engine) -> list[int]:
    tables = ("orders", "order_lines", "allocations")
    with engine.connect() as connection:
        return [
            connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
            for table in tables
        ]


def _archived(engine: Engine) -> list[tuple[object, ...]]:
    statement = (
        "SELECT vendor_id, product_id, delta FROM stock_adjustments"
        " WHERE cause = 'archive' ORDER BY id"
    )
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(statement)).all()]


def test_stock_is_the_same_before_and_after(engine: Engine, shop: Shop) -> None:
    first, second, back = (
        shop.accepted(apple=100, pear=1),
        shop.accepted(apple=3),
        shop.accepted(pear=7),
    )
    shop.accepted(apple=1)
    shop.fulfil(first, second, back)
    shop.order_actions.give_back.once(ReturnOrder(order_id=back.id), str, None)
    shop.pass_time(days=2)
    assert shop.discrepancies() == []
    before, units = _stock(engine), shop.vendor_units("apple")
    assert shop.prune_orders.count(DAY) == 3
    assert shop.prune_orders(DAY).orders == 3
    assert _stock(engine) == before
    assert _counts(engine) == [1, 1, 0]
    assert shop.discrepancies() == []
    # 103 of the apples were sold, and a pear; the seven that came back had been allocated too.
    assert _archived(engine) == [
        ("acme", "apple", units["acme"] - 500),
        *([("bolt", "apple", units["bolt"] - 400)] if units["bolt"] < 400 else []),
        ("acme", "pear", -8),
    ]


def test_an_order_that_changes_while_it_is_to_be_removed_stays(
    storage: SqlStorage, shop: Shop
) -> None:
    order = shop.accepted(apple=4)
    shop.fulfil(order)
    shop.pass_time(days=2)
    with ThreadPoolExecutor(1) as pool:
        with storage.unit_of_work() as uow:
            [fulfilled] = uow.orders.lock([order.id]).values()
            wanted = [ReturnLine(product_id="apple", quantity=1)]
            uow.orders.save([fulfilled.give_back(wanted, shop.clock.now())])
            pruning = pool.submit(shop.prune_orders, DAY)
            time.sleep(0.3)
            assert not pruning.done()
            uow.commit()
        assert pruning.result(30).orders == 0
    assert sum(part.returned for part in shop.order(order.id).allocations) == 1
    assert shop.discrepancies() == []


def test_nothing_is_lost_while_others_sell_return_and_prune(storage: SqlStorage) -> None:
    """Every order here has ended at once, so that all are pruned while they are taken back."""
    shop = Shop(storage)
    products = [f"p{number}" for number in range(4)]
    for vendor_id in ("acme", "bolt"):
        shop.sync(vendor_id, dict.fromkeys(products, 10_000))
    end = monotonic() + 3

    def sell(seed: int) -> int:
        chance, returned = random.Random(seed), 0
        while monotonic() < end:
            baskets = [chance.sample(products, 2) for _ in range(5)]
            placed = shop.place(*(wish(None, **dict.fromkeys(each, 1)) for each in baskets))
            orders = [each for each in placed if isinstance(each, Order)]
            shop.fulfil(*orders)
            shop.pass_time(seconds=1)
            for order in orders[:2]:
                try:
                    shop.order_actions.give_back.once(ReturnOrder(order_id=order.id), str, None)
                except (UnknownOrder, IllegalTransition):
                    continue
                returned += 1
        return returned

    def prune() -> int:
        pruned = 0
        while monotonic() < end:
            pruned += shop.prune_orders(timedelta(0)).orders
        return pruned

    answers = race([lambda: sell(1), lambda: sell(2), prune, prune])
    assert min(answers[:2]) > 0
    assert sum(answers[2:]) > 0
    assert shop.discrepancies() == []
    shop.pass_time(seconds=1)
    shop.prune_orders(timedelta(0))
    assert shop.discrepancies() == []
    assert _counts(storage.engine) == [0, 0, 0]

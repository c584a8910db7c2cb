"""What every storage promises when many want the same thing at the same moment.

Fixtures: `storage`: an empty storage. `shop`: `Shop(storage)`.
"""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import combinations
from random import Random
from uuid import UUID

from ..domain.errors import IllegalTransition, InsufficientStock
from ..domain.order import Order, OrderStatus
from ..domain.ports.read_model import OrderFilter
from ..domain.ports.storage import Storage
from ..domain.ports.unit_of_work import UnitOfWork
from ..domain.stock import StockDelta
from ..domain.use_cases.place_orders import PlaceOrder
from ..domain.use_cases.return_orders import ReturnOrder
from .race import race
from .shop import Shop, announced, lines, next_order_id, wish
from .shop_work import NOW, central, claimed, stock_up, work

PRODUCTS = [f"product {letter}" for letter in "abcdefgh"]


def test_of_twenty_who_want_the_last_unit_one_gets_it(shop: Shop) -> None:
    shop.sync("acme", {"apple": 1})
    outcomes = race([lambda: shop.place(wish(apple=1))[0]] * 20)
    assert sum(isinstance(outcome, Order) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, InsufficientStock) for outcome in outcomes) == 19
    assert shop.balance("apple") == (1, 1)
    assert shop.discrepancies() == []


def test_nothing_is_sold_twice_and_nothing_is_left_unsold(shop: Shop) -> None:
    shop.sync("acme", {"apple": 40})

    def buy() -> int:
        return sum(isinstance(shop.place(wish(apple=1))[0], Order) for _ in range(8))

    assert sum(race([buy] * 8)) == 40
    assert shop.balance("apple") == (40, 40)


def test_of_many_who_use_one_idempotency_key_all_get_the_same_order(shop: Shop) -> None:
    shop.sync("acme", {"apple": 100})
    outcomes = race([lambda: shop.place(wish(key="k", apple=1))[0]] * 8)
    assert len({outcome.id for outcome in outcomes if isinstance(outcome, Order)}) == 1
    assert all(isinstance(outcome, Order) for outcome in outcomes)
    assert shop.balance("apple") == (100, 1)


def test_one_idempotency_key_for_different_products_makes_one_order(shop: Shop) -> None:
    """Here no lock on stock is in common: only the key itself can tell."""
    shop.sync("acme", dict.fromkeys(PRODUCTS, 5))
    commands = [
        PlaceOrder(order_id=next_order_id(), lines=lines({product: 1}), idempotency_key="k")
        for product in PRODUCTS
    ]
    outcomes = race([partial(shop.place, command) for command in commands])
    assert sum(isinstance(outcome, Order) for [outcome] in outcomes) == 1
    assert sum(shop.balance(product)[1] for product in PRODUCTS) == 1
    assert shop.discrepancies() == []


def test_of_a_worker_and_a_cancellation_one_wins(shop: Shop) -> None:
    shop.sync("acme", {"apple": 1000})
    orders = [shop.accepted(apple=1) for _ in range(340)]
    ids = [order.id for order in orders]

    def fulfil() -> None:
        for batch in range(0, len(ids), 10):
            shop.fulfil_orders(ids[batch : batch + 10])

    def cancel(step: int) -> None:
        for order_id in ids[::step]:
            shop.cancel(order_id)

    race([fulfil, lambda: cancel(1), lambda: cancel(-1)])
    statuses = Counter(shop.order(order_id).status for order_id in ids)
    assert statuses.keys() <= {OrderStatus.FULFILLED, OrderStatus.CANCELLED}
    assert shop.balance("apple") == (1000 - statuses[OrderStatus.FULFILLED], 0)
    assert shop.discrepancies() == []


def test_of_many_who_return_one_unit_one_does(shop: Shop) -> None:
    shop.sync("acme", {"apple": 1})
    order = shop.accepted(apple=1)
    shop.fulfil(order)

    def give_back() -> bool:
        try:
            shop.order_actions.give_back.once(ReturnOrder(order_id=order.id), str, None)
        except IllegalTransition:
            return False
        return True

    assert race([give_back] * 8).count(True) == 1
    assert shop.balance("apple") == (1, 0)
    assert shop.discrepancies() == []


def test_locks_on_crossing_sets_of_products_never_block_each_other_for_good(
    storage: Storage,
) -> None:
    stock_up(storage, "acme", **dict.fromkeys(PRODUCTS, 10_000))

    def reserve_pairs(seed: int) -> int:
        pairs = list(combinations(PRODUCTS, 2))
        Random(seed).shuffle(pairs)
        for pair in pairs[:12]:
            # In no order at all: putting them into one is the storage's part.
            asked = list(pair) if seed % 2 else list(reversed(pair))
            changes = [StockDelta(product_id=key, reserved=1) for key in asked]

            def step(
                uow: UnitOfWork, asked: list[str] = asked, changes: list[StockDelta] = changes
            ) -> None:
                uow.stock.lock(asked)
                uow.stock.change(changes, NOW)

            work(storage, step)
        return 2 * 12

    units = race([partial(reserve_pairs, seed) for seed in range(8)])
    assert sum(central(storage, product)[1] for product in PRODUCTS) == sum(units)


def test_an_order_that_ten_workers_fulfil_at_once_is_deducted_once(shop: Shop) -> None:
    shop.sync("acme", {"apple": 30, "pear": 30})
    order = shop.accepted(apple=2, pear=1)
    outcomes = race([lambda: shop.fulfil(order)[0]] * 10)
    assert outcomes == [shop.order(order.id)] * 10
    assert shop.balance("apple") == (28, 0)
    assert shop.vendor_units("pear") == {"acme": 29}
    assert shop.discrepancies() == []


def test_an_order_is_either_fulfilled_or_failed_never_both(shop: Shop) -> None:
    shop.sync("acme", {"apple": 100})
    orders = [shop.accepted(apple=1) for _ in range(10)]

    def fulfil() -> None:
        for order in orders:
            shop.fulfil(order)

    def fail() -> None:
        for order in reversed(orders):
            shop.fail_orders({order.id: "given up"})

    race([fulfil, fail, fulfil, fail])
    fulfilled = shop.storage.read_model.orders(
        0, 100, OrderFilter(status=OrderStatus.FULFILLED)
    ).total
    failed = shop.storage.read_model.orders(0, 100, OrderFilter(status=OrderStatus.FAILED)).total
    assert fulfilled + failed == 10
    assert shop.balance("apple") == (100 - fulfilled, 0)
    assert shop.discrepancies() == []


def test_everything_at_once_leaves_every_balance_right(shop: Shop) -> None:
    """Orders, workers and vendors' reports on the same few products."""
    quantities = dict.fromkeys(PRODUCTS[:3], 200)
    shop.sync("acme", quantities)
    shop.sync("bert", quantities)

    def buy(seed: int) -> None:
        random = Random(seed)
        for _ in range(6):
            wanted = {key: random.randint(1, 3) for key in random.sample(PRODUCTS[:3], 2)}
            command = PlaceOrder(order_id=next_order_id(), lines=lines(wanted))
            [order] = shop.place(command)
            if isinstance(order, Order) and random.random() < 0.8:
                shop.fulfil(order)
            elif isinstance(order, Order):
                shop.fail_orders({order.id: "given up"})

    def report(vendor_id: str, seed: int) -> None:
        random = Random(seed)
        for _ in range(6):
            shop.pass_time(microseconds=1)
            shop.sync(vendor_id, {key: random.randint(50, 200) for key in PRODUCTS[:3]})

    buyers = [partial(buy, seed) for seed in range(5)]
    race([*buyers, partial(report, "acme", 1), partial(report, "bert", 2)])
    assert shop.discrepancies() == []


def test_five_thousand_orders_fit_into_one_unit_of_work(shop: Shop) -> None:
    shop.sync("acme", {"apple": 4_000, "pear": 4_000})
    shop.sync("bert", {"apple": 4_000, "pear": 4_000})
    commands = [wish(key=f"key {number}", apple=1, pear=1) for number in range(5_000)]
    orders = shop.place(*commands)
    assert all(isinstance(order, Order) for order in orders)
    assert shop.place(*commands) == orders
    outcomes = shop.fulfil_orders([command.order_id for command in commands])
    assert {type(outcome) for outcome in outcomes.values()} == {Order}
    assert len(outcomes) == 5_000
    assert shop.balance("apple") == shop.balance("pear") == (3_000, 0)
    assert announced(claimed(shop.storage, NOW, limit=10_000)) == [
        command.order_id for command in commands
    ]
    assert shop.discrepancies() == []


def test_five_thousand_orders_are_failed_at_once(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5_000})
    commands = [wish(apple=1) for _ in range(5_000)]
    shop.place(*commands)
    shop.fail_orders({command.order_id: "given up" for command in commands})
    assert shop.balance("apple") == (5_000, 0)
    assert shop.discrepancies() == []


def test_workers_that_record_the_same_failures_do_not_get_in_each_others_way(shop: Shop) -> None:
    shop.sync("acme", {"apple": 2_000})
    commands = [wish(apple=1) for _ in range(2_000)]
    shop.place(*commands)
    ids = [command.order_id for command in commands]

    def record(order_ids: list[UUID]) -> None:
        for attempt in range(1, 6):
            shop.record_failures(dict.fromkeys(order_ids, attempt))

    race([partial(record, ids), partial(record, ids[::-1])])
    assert shop.storage.read_model.failed_attempts(ids) == dict.fromkeys(ids, 5)


def test_readers_see_one_moment_while_others_write(shop: Shop) -> None:
    """Each order takes one apple and one pear: nobody may ever see only half of it."""
    shop.sync("acme", {"apple": 500, "pear": 500})

    def buy() -> None:
        for _ in range(20):
            shop.place(wish(apple=1, pear=1))

    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(buy) for _ in range(2)]
        while not all(writer.done() for writer in writers):
            apple, pear = shop.storage.read_model.stock(0, 9).items
            assert apple.reserved == pear.reserved
            assert shop.discrepancies() == []
    assert shop.balance("pear") == (500, 40)

"""What every storage promises about looking back.

Fixtures: `storage`: an empty storage. `shop`: the use cases on it.
"""

from __future__ import annotations

from ..domain.order import OrderStatus
from ..domain.use_cases.return_orders import ReturnOrder
from .shop import Shop, next_order_id


def test_the_steps_of_an_order_are_kept_with_it(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5})
    order = shop.accepted(apple=2)
    shop.fulfil(order)
    shop.order_actions.give_back.once(ReturnOrder(order_id=order.id), str, None)
    events = shop.storage.read_model.order_events(order.id)
    assert events is not None
    assert [(event.sequence, event.type) for event in events] == [
        (1, "order.reserved"),
        (2, "order.fulfilled"),
        (3, "order.returned"),
    ]
    assert [event for event in shop.events() if event.subject == str(order.id)] == [*events]
    assert shop.storage.read_model.order_events(next_order_id()) is None


def test_why_an_order_is_not_fulfilled_is_known(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5})
    order = shop.accepted(apple=2)
    progress = shop.storage.read_model.progress(order.id)
    assert progress is not None
    assert (progress.status, progress.attempts, progress.problem) == (
        OrderStatus.RESERVED,
        0,
        None,
    )
    assert progress.announced_at == progress.outbox_since == shop.clock.now()
    shop.pass_time(minutes=1)
    shop.record_failures({order.id: 3})
    shop.relay_messages()
    shop.relay_messages.finish()
    progress = shop.storage.read_model.progress(order.id)
    assert progress is not None
    assert (progress.attempts, progress.problem) == (3, "it failed")
    assert (progress.announced_at, progress.outbox_since) == (shop.clock.now(), None)
    assert shop.storage.read_model.progress(next_order_id()) is None


def test_each_movement_of_stock_is_told_with_what_was_there(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5, "pear": 9})
    shop.sync("bert", {"apple": 2})
    shop.pass_time(seconds=1)
    order = shop.accepted(apple=6, pear=1)
    shop.pass_time(seconds=1)
    shop.fulfil(order)
    shop.pass_time(seconds=1)
    shop.sync("acme", {"apple": 4, "pear": 8})
    history = shop.storage.read_model.stock_history("apple", 0, 10)
    told = [(x.cause, x.vendor_id, x.before, x.after) for x in history.items]
    assert (history.total, told[0], told[3:]) == (
        5,
        ("snapshot", "acme", 1, 4),
        [("snapshot", "bert", 5, 7), ("snapshot", "acme", 0, 5)],
    )
    assert {x.order_id for x in history.items[1:3]} == {order.id}
    assert [x.delta for x in history.items] == [x.after - x.before for x in history.items]
    for newer, older in zip(history.items, history.items[1:], strict=False):
        assert newer.before == older.after
    page = shop.storage.read_model.stock_history("apple", 2, 2)
    assert (page.items, page.total) == (history.items[2:4], 5)
    assert shop.storage.read_model.stock_history("plum", 0, 10).items == ()

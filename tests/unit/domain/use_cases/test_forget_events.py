"""Events are kept for a time, an order's own as long as the order."""

from __future__ import annotations

from datetime import timedelta
from operator import attrgetter

from order_aggregator.domain.use_cases.forget_old import ForgetOld
from order_aggregator.testing.shop import Shop


def test_old_events_are_forgotten_and_orders_keep_theirs() -> None:
    shop = Shop()
    shop.sync("acme", {"apple": 5})
    old = shop.accepted(apple=1)
    forget = ForgetOld(
        shop.storage.unit_of_work, shop.clock, timedelta(days=7), attrgetter("events")
    )
    shop.pass_time(days=7)
    new = shop.accepted(apple=1)
    assert forget() == 0
    shop.pass_time(seconds=1)
    assert forget() > 0
    assert [event.subject for event in shop.events()] == [str(new.id)]
    kept = shop.storage.read_model.order_events(old.id)
    assert kept is not None
    assert [event.type for event in kept] == ["order.reserved"]

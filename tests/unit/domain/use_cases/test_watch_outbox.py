"""Noticing that the outbox is not being sent."""

from __future__ import annotations

import pytest

from order_aggregator.domain.ports.outbox import Backlog
from order_aggregator.domain.use_cases.watch_outbox import OVERDUE, REPORT_EVERY, WatchOutbox
from order_aggregator.testing.shop import Shop


@pytest.fixture
def shop() -> Shop:
    """Sells plenty of apples."""
    shop = Shop()
    shop.sync("acme", {"apple": 100})
    return shop


@pytest.fixture
def watch_outbox(shop: Shop) -> WatchOutbox:
    return WatchOutbox(shop.storage.unit_of_work, shop.clock)


def test_an_empty_outbox_is_no_backlog(shop: Shop, watch_outbox: WatchOutbox) -> None:
    shop.accepted(apple=1)
    shop.relay_messages()
    shop.relay_messages.finish()
    shop.clock.advance(OVERDUE)
    assert watch_outbox() is None


def test_a_backlog_is_told_once_its_oldest_message_is_overdue(
    shop: Shop, watch_outbox: WatchOutbox
) -> None:
    since = shop.clock.now()
    shop.accepted(apple=1)
    shop.pass_time(seconds=29)
    shop.accepted(apple=1)
    assert watch_outbox() is None
    shop.pass_time(seconds=1)
    assert watch_outbox() == Backlog(messages=2, since=since)


def test_it_is_told_again_every_minute_for_as_long_as_it_lasts(
    shop: Shop, watch_outbox: WatchOutbox
) -> None:
    shop.accepted(apple=1)
    shop.clock.advance(OVERDUE)
    assert watch_outbox() is not None
    shop.clock.advance(REPORT_EVERY / 2)
    assert watch_outbox() is None
    shop.clock.advance(REPORT_EVERY / 2)
    assert watch_outbox() is not None
    shop.relay_messages()
    shop.relay_messages.finish()
    shop.clock.advance(REPORT_EVERY)
    assert watch_outbox() is None

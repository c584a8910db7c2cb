"""Where relays begin to look for messages."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from order_aggregator import OutboxMessage
from order_aggregator.adapters.sql import SqlStorage
from order_aggregator.adapters.sql.claim_cursor import FULL_SCAN_INTERVAL, ClaimCursor
from order_aggregator.domain.order import Order
from order_aggregator.domain.use_cases.relay_messages import LEASE
from order_aggregator.testing.shop import Shop
from order_aggregator.testing.shop_work import NOW, work


@pytest.fixture
def shop(engine: Engine) -> Shop:
    shop = Shop(SqlStorage(engine))
    shop.sync("acme", {"apple": 50})
    return shop


def claimed_elsewhere(shop: Shop, engine: Engine) -> int:
    """The id of the oldest message, which another relay claims."""
    now = shop.clock.now()
    other = SqlStorage(engine)
    [message] = work(other, lambda uow: uow.outbox.claim(1, now, now + 100 * LEASE))
    return message.id


def release(shop: Shop, message_id: int) -> None:
    work(shop.storage, lambda uow: uow.outbox.release([message_id]))


def sent(shop: Shop) -> int:
    return len(shop.relay_messages())


def scan(shop: Shop) -> None:
    """Have the relay look at everything, and then make another claim."""
    shop.clock.advance(FULL_SCAN_INTERVAL)
    assert sent(shop) == sent(shop) == 0


@pytest.fixture
def far_back(shop: Shop, engine: Engine) -> int:
    """The id of a message that another relay claimed several full scans ago."""
    orders: list[Order] = [shop.accepted(apple=1), shop.accepted(apple=1)]
    found = claimed_elsewhere(shop, engine)
    assert len(orders) == 2
    assert sent(shop) == 1
    for _ in range(3):
        scan(shop)
    return found


def test_what_is_due_again_far_back_is_sent_at_the_next_full_scan(
    shop: Shop, far_back: int
) -> None:
    release(shop, far_back)
    shop.clock.advance(FULL_SCAN_INTERVAL - timedelta(microseconds=1))
    assert sent(shop) == 0
    shop.clock.advance(timedelta(microseconds=1))
    assert sent(shop) == 1


def test_a_clock_that_is_set_back_does_not_put_off_the_full_scan(shop: Shop, far_back: int) -> None:
    assert sent(shop) == 0
    release(shop, far_back)
    shop.clock.advance(timedelta(hours=-1))
    assert sent(shop) == 1


def test_what_comes_late_with_an_id_of_before_is_not_missed(shop: Shop, engine: Engine) -> None:
    """As ids are given before the commit: here by a claim that is given back."""
    shop.accepted(apple=1)
    assert sent(shop) == 1
    assert sent(shop) == 0
    shop.accepted(apple=1)
    shop.accepted(apple=1)
    slow = claimed_elsewhere(shop, engine)
    shop.clock.advance(FULL_SCAN_INTERVAL)
    assert sent(shop) == 1
    release(shop, slow)
    assert sent(shop) == 1


def test_a_full_scan_that_fails_keeps_no_message_waiting() -> None:
    """As it may, where a database has to step over very much."""
    cursor = ClaimCursor()
    for number in (1, 2, 3):
        start = cursor.start(NOW + number * FULL_SCAN_INTERVAL)
        cursor.advance(
            start, [OutboxMessage(id=number, body=b"")], NOW + number * FULL_SCAN_INTERVAL
        )
        cursor.start(NOW + number * FULL_SCAN_INTERVAL)
    later = NOW + 9 * FULL_SCAN_INTERVAL
    assert cursor.start(later).is_full_scan
    # Nothing was found, as it broke off.
    again = cursor.start(later)
    assert not again.is_full_scan
    assert again.id > 0
    assert cursor.start(later).is_full_scan

"""Forgetting who has changed what."""

from __future__ import annotations

from datetime import timedelta
from operator import attrgetter

from order_aggregator.domain.access import ANYONE
from order_aggregator.domain.use_cases.forget_old import BITE, ForgetOld
from order_aggregator.domain.use_cases.keep_audit import RecordChange
from order_aggregator.testing.shop import Shop


def test_what_is_old_is_forgotten_in_small_bites() -> None:
    shop = Shop()
    record = RecordChange(shop.storage.unit_of_work, shop.clock)
    forget = ForgetOld(
        shop.storage.unit_of_work, shop.clock, timedelta(days=2), attrgetter("audit_log")
    )
    for number in range(BITE + 2):
        record(ANYONE, "retire_vendor", status=200, target=str(number))
    shop.pass_time(days=1)
    assert forget() == 0
    shop.pass_time(days=1, seconds=1)
    last = record(ANYONE, "retire_vendor", status=200)
    assert [forget(), forget(), forget()] == [BITE, 2, 0]
    assert shop.storage.audit_trail.page(0, 10).items == (last,)

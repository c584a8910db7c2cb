"""Vendors that leave, and may come back."""

from __future__ import annotations

import pytest

from order_aggregator.domain.stock import Vendor
from order_aggregator.domain.use_cases.retire_vendor import RetireVendor
from order_aggregator.testing.shop import Shop


@pytest.fixture
def shop() -> Shop:
    return Shop()


def test_a_vendor_that_comes_back_is_taken_in_whatever_its_date(shop: Shop) -> None:
    earlier = shop.clock.now()
    shop.pass_time(minutes=1)
    shop.sync("acme", {"apple": 5})
    retire = RetireVendor(shop.storage.unit_of_work, shop.sync_vendor)
    result = retire(Vendor(id="acme", name="Acme"))
    assert [(entry.product_id, entry.delta) for entry in result.adjustments] == [("apple", -5)]
    assert shop.balance("apple") == (0, 0)
    assert not shop.sync("acme", {"apple": 5}, earlier).outdated
    assert shop.balance("apple") == (5, 0)


def test_a_retired_vendor_is_shown_as_such_until_it_reports(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5})
    RetireVendor(shop.storage.unit_of_work, shop.sync_vendor)(Vendor(id="acme", name="Acme"))
    [vendor] = shop.storage.read_model.vendors(0, 9).items
    assert (vendor.retired, vendor.products) == (True, 0)
    shop.sync("acme", {"apple": 1})
    assert not shop.storage.read_model.vendors(0, 9).items[0].retired

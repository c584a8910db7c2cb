"""Vendors that leave, and may come back."""

from __future__ import annotations

import attrs
import pytest

from order_aggregator.domain.errors import UnknownVendor, VendorInUse
from order_aggregator.domain.ports.vendor_directory import DeclaredVendor
from order_aggregator.domain.stock import Vendor
from order_aggregator.domain.use_cases.declare_vendors import DeclareVendorsFile
from order_aggregator.domain.use_cases.retire_vendor import RetireVendor
from order_aggregator.testing.shop import Shop


@pytest.fixture
def shop() -> Shop:
    return Shop()


def test_a_vendor_that_comes_back_is_taken_in_whatever_its_date(shop: Shop) -> None:
    earlier = shop.clock.now()
    shop.pass_time(minutes=1)
    shop.sync("acme", {"apple": 5})
    shop.vendor_actions.retire("acme")
    assert shop.balance("apple") == (0, 0)
    assert not shop.sync("acme", {"apple": 5}, earlier).outdated
    assert shop.balance("apple") == (5, 0)


def test_a_retired_vendor_is_shown_as_such_until_it_reports(shop: Shop) -> None:
    shop.sync("acme", {"apple": 5})
    shop.vendor_actions.retire("acme")
    [vendor] = shop.storage.read_model.vendors(0, 9).items
    assert (vendor.retired, vendor.products) == (True, 0)
    shop.sync("acme", {"apple": 1})
    assert not shop.storage.read_model.vendors(0, 9).items[0].retired


def test_a_vendor_of_the_program_is_not_retired_as_its_next_sync_would_bring_it_back(
    shop: Shop,
) -> None:
    shop.sync("acme", {"apple": 5})
    retire = RetireVendor(
        shop.storage.unit_of_work,
        shop.clock,
        shop.sync_vendor,
        shop.storage.read_model,
        own=lambda: {"acme"},
    )
    with pytest.raises(VendorInUse):
        retire("acme")
    assert shop.central("apple").available == 5


def test_a_vendor_of_the_vendors_file_cannot_retire_and_another_is_declared_no_longer(
    shop: Shop,
) -> None:
    acme = DeclaredVendor(vendor=Vendor(id="acme", name="Acme"), entry="{}", folder="/")
    declare = shop.vendor_actions.declare
    declare_file = DeclareVendorsFile(shop.storage.unit_of_work)
    declare_file([attrs.evolve(acme, from_file=True)])
    with pytest.raises(VendorInUse):
        shop.vendor_actions.retire("acme")
    declare_file([])
    declare([acme])
    shop.vendor_actions.retire("acme")
    with shop.storage.unit_of_work() as uow:
        assert uow.vendors.declared() == []
    with pytest.raises(UnknownVendor):
        shop.vendor_actions.retire("stranger")

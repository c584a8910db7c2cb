"""Who is synced when."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from threading import Event
from time import monotonic

import attrs
import pytest

from order_aggregator.adapters.vendors.config import vendors_from_file
from order_aggregator.domain.errors import StorageUnavailable, VendorUnavailable
from order_aggregator.domain.ports.vendor_gateway import VendorGateway
from order_aggregator.domain.use_cases.report_intake import SyncResult
from order_aggregator.domain.use_cases.sync_vendor import Progress
from order_aggregator.domain.vendor_sync import VendorTerms
from order_aggregator.entrypoints.sync import next_sync_in, syncing
from order_aggregator.testing.shop import SAME_CLOCK, Feed, Shop, snapshot

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
WITHIN = 10


@pytest.mark.parametrize(
    ("every", "waits"),
    [
        (MINUTE, [MINUTE, MINUTE, 2 * MINUTE, 4 * MINUTE, 8 * MINUTE]),
        (5 * SECOND, [5 * SECOND, 5 * SECOND, 10 * SECOND, 20 * SECOND, 40 * SECOND]),
        (24 * HOUR, [24 * HOUR, MINUTE, 2 * MINUTE, 4 * MINUTE, 8 * MINUTE]),
    ],
)
def test_a_vendor_that_fails_is_asked_more_and_more_rarely(
    every: timedelta, waits: list[timedelta]
) -> None:
    assert [next_sync_in(every, failures) for failures in range(5)] == waits
    assert next_sync_in(every, 1000) == HOUR


class _Vendors:
    """Those that are enabled now."""

    def __init__(self, *vendor_ids: str, terms: VendorTerms = SAME_CLOCK) -> None:
        self.shop = Shop()
        self.terms = terms
        self.asked: list[str] = []
        self.planned: dict[str, timedelta] = {}
        self.gateways: dict[str, VendorGateway] = {}
        self.is_away = False
        self.is_broken = False
        for vendor_id in vendor_ids:
            self.add(vendor_id)

    def add(self, vendor_id: str) -> None:
        self.gateways[vendor_id] = Feed(
            snapshot(vendor_id, {"apple": 1}, self.shop.clock.now()), self.terms
        )

    def enabled(self) -> Mapping[str, VendorGateway]:
        if self.is_away:
            raise StorageUnavailable
        if self.is_broken:
            raise KeyError
        return dict(self.gateways)

    def sync(self, gateway: VendorGateway, *, progress: Progress) -> SyncResult:
        self.asked.append(gateway.vendor.id)
        if gateway.vendor.id == "dead":
            raise VendorUnavailable("dead", "refused")
        return self.shop.sync_vendor(gateway, progress=progress)

    def plan(self, vendor_id: str, wait: timedelta) -> None:
        self.planned[vendor_id] = wait

    def wait_for(self, vendor_id: str, times: int = 1) -> None:
        end = monotonic() + WITHIN
        while self.asked.count(vendor_id) < times:
            assert monotonic() < end, self.asked
            Event().wait(0.01)


def test_each_vendor_has_its_own_schedule() -> None:
    vendors = _Vendors("slow", terms=attrs.evolve(SAME_CLOCK, every=HOUR))
    vendors.terms = SAME_CLOCK
    vendors.add("fast")
    vendors.add("dead")
    with syncing(vendors.sync, vendors, 0.1 * SECOND, Event(), vendors.plan):
        vendors.wait_for("fast", 5)
    assert vendors.asked.count("slow") == 1
    assert 1 < vendors.asked.count("dead") < vendors.asked.count("fast")
    assert vendors.planned["slow"] == HOUR
    assert vendors.planned["dead"] > vendors.planned["fast"] == 0.1 * SECOND


def test_who_comes_or_goes_meanwhile_is_noticed() -> None:
    vendors = _Vendors("first")
    with syncing(vendors.sync, vendors, 0.05 * SECOND, Event(), vendors.plan):
        vendors.wait_for("first", 2)
        vendors.add("second")
        del vendors.gateways["first"]
        vendors.wait_for("second", 2)
        before = vendors.asked.count("first")
        vendors.wait_for("second", 5)
        assert vendors.asked.count("first") == before


def test_it_goes_on_when_the_storage_is_back() -> None:
    vendors = _Vendors("acme")
    vendors.is_away = True
    with syncing(vendors.sync, vendors, HOUR, Event(), vendors.plan):
        Event().wait(0.2)
        assert vendors.asked == []
        vendors.is_away = False
        vendors.wait_for("acme")


def test_each_look_is_noted() -> None:
    vendors, turned = _Vendors(), Event()
    with syncing(vendors.sync, vendors, HOUR, Event(), vendors.plan, on_turn=turned.set):
        assert turned.wait(5)


def test_a_bug_does_not_end_it() -> None:
    vendors = _Vendors("acme")
    with syncing(vendors.sync, vendors, 0.05 * SECOND, Event(), vendors.plan):
        vendors.wait_for("acme")
        vendors.is_broken = True
        vendors.wait_for("acme", vendors.asked.count("acme") + 30)
        vendors.is_broken = False
        vendors.add("bert")
        vendors.wait_for("bert")


def test_a_file_is_read_as_soon_as_it_changes(tmp_path: Path) -> None:
    feed = tmp_path / "a.csv"
    feed.write_text("product_id,quantity\na,1\n")
    entry = {"id": "acme", "name": "A", "type": "file", "format": "csv", "path": "a.csv"}
    (tmp_path / "vendors.json").write_text(json.dumps([entry]))
    [gateway] = vendors_from_file(tmp_path / "vendors.json")
    vendors = _Vendors()
    vendors.gateways["acme"] = gateway
    with syncing(vendors.sync, vendors, HOUR, Event(), vendors.plan):
        vendors.wait_for("acme")
        (tmp_path / "new.csv").write_text("product_id,quantity\na,5\n")
        (tmp_path / "new.csv").rename(feed)
        vendors.wait_for("acme", 2)
    assert vendors.shop.balance("a") == (5, 0)

"""Where the demo's vendors are looked for."""

from __future__ import annotations

from order_aggregator import ManualClock
from order_aggregator.adapters.vendors.config import gateways
from order_aggregator.entrypoints.demo.gateways import mock_vendor_gateways
from order_aggregator.entrypoints.demo.seed import seed_snapshots
from order_aggregator.testing.shop_work import NOW

CLOCK = ManualClock(NOW)


def test_the_mock_vendors_are_the_seed_vendors_on_ports_in_a_row() -> None:
    found = gateways(mock_vendor_gateways("127.0.0.1", 4001, CLOCK))
    assert {gateway.vendor for gateway in found.values()} == {s.vendor for s in seed_snapshots()}
    urls = [str(gateway.url) for gateway in mock_vendor_gateways("127.0.0.1", 4001, CLOCK)]
    assert urls == [
        "http://127.0.0.1:4001/stock.json",
        "http://127.0.0.1:4002/stock.csv",
        "http://127.0.0.1:4003/stock",
    ]

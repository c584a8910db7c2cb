"""Where the demo's vendors are looked for."""

from __future__ import annotations

from order_aggregator.adapters.vendors.config import gateways
from order_aggregator.entrypoints.demo.gateways import mock_vendor_gateways
from order_aggregator.entrypoints.demo.seed import seed_snapshots


def test_the_mock_vendors_are_the_seed_vendors_on_ports_in_a_row() -> None:
    found = gateways(mock_vendor_gateways("127.0.0.1", 4001))
    assert {gateway.vendor for gateway in found.values()} == {s.vendor for s in seed_snapshots()}
    urls = [str(gateway.url) for gateway in mock_vendor_gateways("127.0.0.1", 4001)]
    assert urls == [
        "http://127.0.0.1:4001/stock.json",
        "http://127.0.0.1:4002/stock.csv",
        "http://127.0.0.1:4003/stock",
    ]

"""The demo's vendors live."""

from __future__ import annotations

import httpx

from order_aggregator.entrypoints.demo.mock_vendors import MockVendors
from order_aggregator.entrypoints.demo.trade import Trade
from service import eventually


def quantities(vendors: MockVendors) -> dict[str, int]:
    return {
        f"{vendor_id}/{report.product_id}": report.quantity
        for vendor_id in vendors.urls
        for report in vendors.stock(vendor_id)
    }


def test_stock_falls_and_rises_and_is_never_below_nothing() -> None:
    with MockVendors(first_port=0) as vendors:
        before = quantities(vendors)
        trade = Trade(vendors, every=0.001)
        trade.start()
        eventually(lambda: any(q > before[key] for key, q in quantities(vendors).items()))
        eventually(lambda: any(q < before[key] for key, q in quantities(vendors).items()))
        trade.stop()
        assert min(quantities(vendors).values()) >= 0
        after = quantities(vendors)
        assert quantities(vendors) == after


def test_a_vendor_that_is_overloaded_is_so_for_one_request() -> None:
    with MockVendors(first_port=0) as vendors:
        vendors.fail_once("hilltop")
        url = vendors.urls["hilltop"]
        assert httpx.get(url).status_code == 503
        assert httpx.get(url).status_code == 200


def test_what_others_buy_leaves_the_time_of_the_report() -> None:
    """Our orders since then, of which the vendor has not heard, go on being subtracted."""
    with MockVendors(first_port=0) as vendors:
        report = vendors.stock("hilltop")[0]
        vendors.change_stock("hilltop", report.product_id, -report.quantity - 5)
        assert vendors.stock("hilltop")[0].quantity == 0
        assert httpx.get(vendors.urls["hilltop"]).json()["as_of"].startswith("2026-01-01T00:00:00")

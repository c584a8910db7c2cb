"""Gateways of the demo's vendors."""

from __future__ import annotations

from ...adapters.vendors.http import HttpVendorGateway
from .feeds import MOCK_FEEDS
from .seed import seed_snapshots


def mock_vendor_gateways(host: str, first_port: int) -> list[HttpVendorGateway]:
    """Gateways of the mock vendors, which serve on ports one after the other."""
    return [
        mock_vendor_gateway(feed.vendor_id, f"http://{host}:{port}{feed.path}")
        for port, feed in enumerate(MOCK_FEEDS, start=first_port)
    ]


def mock_vendor_gateway(vendor_id: str, url: str) -> HttpVendorGateway:
    """The gateway of the mock vendor whose feed lies at this address."""
    [feed] = (feed for feed in MOCK_FEEDS if feed.vendor_id == vendor_id)
    [vendor] = (seed.vendor for seed in seed_snapshots() if seed.vendor.id == vendor_id)
    return HttpVendorGateway(vendor=vendor, url=url, feed_format=feed.feed_format, terms=feed.terms)

"""The feeds of the mock vendors, which serve the seed data: three vendors, three habits."""

from __future__ import annotations

from datetime import timedelta

import attrs

from ...adapters.vendors.feed import FeedFormat
from ...domain.counting import CountsOrders
from ...domain.vendor_sync import VendorTerms

# A mock vendor runs beside us, by the same clock; whatever it is told to have is believed.
TERMS = VendorTerms(
    counts_orders=CountsOrders(clock_tolerance=timedelta(0), delay=timedelta(0)), max_cut=None
)


@attrs.frozen(kw_only=True)
class MockFeed:
    """Where a mock vendor serves its stock, and how it writes it down."""

    vendor_id: str
    path: str
    feed_format: FeedFormat
    terms: VendorTerms = TERMS


PLAIN_JSON = MockFeed(
    vendor_id="hilltop",
    path="/stock.json",
    feed_format=FeedFormat(kind="json", items="products", as_of="as_of", acked_through="sequence"),
)
# States its as_of in Last-Modified.
CSV = MockFeed(
    vendor_id="harbour",
    path="/stock.csv",
    feed_format=FeedFormat(kind="csv", acked_through="sequence"),
)
PAGED_JSON = MockFeed(
    vendor_id="northside",
    path="/stock",
    feed_format=FeedFormat(
        kind="json",
        product_id="sku",
        name="title",
        quantity="qty",
        items="data",
        as_of="meta.generated_at",
        next_page="next",
        acked_through="sequence",
    ),
)
MOCK_FEEDS = (PLAIN_JSON, CSV, PAGED_JSON)

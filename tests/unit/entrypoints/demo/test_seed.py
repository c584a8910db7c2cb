"""The seed data is what the documentation and the demonstrations count on."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime

from order_aggregator.entrypoints.demo.feeds import MOCK_FEEDS
from order_aggregator.entrypoints.demo.seed import seed_snapshots, seed_vendor_gateways


def test_three_vendors_with_some_shared_and_some_lone_products() -> None:
    vendors: Counter[str] = Counter()
    for snapshot in seed_snapshots():
        vendors.update(report.product_id for report in snapshot.reports)
    assert len(seed_snapshots()) == 3
    assert 8 <= len(vendors) <= 10
    assert set(vendors.values()) == {1, 2, 3}
    assert vendors["sku-espresso-beans"] == 3


def test_one_product_and_only_one_has_fifty_units_at_three_vendors() -> None:
    stock: defaultdict[str, list[int]] = defaultdict(list)
    for snapshot in seed_snapshots():
        for report in snapshot.reports:
            stock[report.product_id].append(report.quantity)
    fifty = {product: parts for product, parts in stock.items() if sum(parts) == 50}
    assert fifty == {"sku-gooseneck-kettle": [20, 17, 13]}


def test_a_product_has_one_name() -> None:
    names = {(r.product_id, r.name) for s in seed_snapshots() for r in s.reports}
    assert len(names) == len({product_id for product_id, _ in names})


def test_as_of_stands_still() -> None:
    """So all that is allocated later is subtracted from the same figures at every sync."""
    snapshots = [gateway.fetch() for gateway in seed_vendor_gateways()]
    assert {snapshot.as_of for snapshot in snapshots} == {datetime(2026, 1, 1, tzinfo=UTC)}
    assert all(snapshot.stated for snapshot in snapshots)


def test_each_seed_vendor_has_a_mock_feed() -> None:
    assert {s.vendor.id for s in seed_snapshots()} == {feed.vendor_id for feed in MOCK_FEEDS}

"""Feeds in the shapes in which shops and suppliers really send them, in `tests/feeds`."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest

from order_aggregator.adapters.vendors.config import vendors_from_file
from order_aggregator.adapters.vendors.file import FileVendorGateway
from order_aggregator.domain.errors import InvalidSnapshot
from order_aggregator.domain.stock_updates import StockUpdates
from order_aggregator.domain.vendor_sync import Snapshot
from order_aggregator.testing.shop import whole

FEEDS = Path(__file__).parents[3] / "feeds"


@attrs.frozen
class Feed:
    """What the vendors file says of a feed, and the stock that it means."""

    file: str
    stock: dict[str, int]
    told: dict[str, Any] = attrs.field(factory=dict, kw_only=True)
    rejected: int = attrs.field(default=0, kw_only=True)


def _csv(file: str, stock: dict[str, int], rejected: int = 0, **told: Any) -> Feed:
    return Feed(file, stock, told={"format": "csv", **told}, rejected=rejected)


def _json(file: str, stock: dict[str, int], **told: Any) -> Feed:
    return Feed(file, stock, told={"format": "json", **told})


def _fields(product_id: Any, quantity: Any, **more: Any) -> dict[str, Any]:
    return {"product_id": product_id, "quantity": quantity, **more}


PLAIN = _fields("sku", "qty")
FEED_LIST = [
    _csv(
        "01-shopify-inventory.csv",
        {"0986435621": 10, "TEE-S": 15, "TEE-M": 4},
        fields=_fields("SKU", "Available (not editable)", name="Title"),
        sum_rows=True,
        words={"not stocked": 0},
    ),
    _csv(
        "03-woocommerce-products.csv",
        {
            "woo-vneck-tee-red": 14,
            "woo-vneck-tee-green": 0,
            "woo-belt": 0,
            "woo-cap": 7,
        },
        fields=_fields("SKU", "Stock", name="Name"),
    ),
    _csv(
        "04-magento-stock-sources.csv",
        {"SKU-1": 11, "SKU-2": 48, "SKU-3": 0},
        fields=_fields("sku", "quantity"),
        sum_rows=True,
        sellable_when={"status": 1},
    ),
    _csv(
        "05-magento-qty.csv",
        {"24-WG085": 100, "24-WG086": 100, "24-WG087": 0, "24-MB01": 0},
        fields=PLAIN,
        sellable_when={"is_in_stock": "1"},
    ),
    _csv(
        "07-amazon-listings-lite.txt",
        {"A-1": 5, "A-2": 0, "A-3": 12},
        fields=_fields("seller-sku", "quantity"),
    ),
    _csv(
        "08-google-local-inventory.tsv",
        {"ISI1": 8, "ISI2": 1},
        fields=_fields("id", "quantity"),
        sum_rows=True,
        sellable_when={"availability": ["in_stock", "limited_availability"]},
    ),
    Feed(
        "09-google.xml",
        {"ISI1": 5, "ISI2": 0},
        told={
            "format": "xml",
            "fields": _fields("id", "quantity", items="channel.item"),
            "sellable_when": {"availability": "in_stock"},
        },
    ),
    _csv(
        "11-prestashop.csv",
        {"demo_11": 300, "demo_6": 897, "demo_15": 0},
        fields=_fields("Reference #", "Quantity", name="Name *"),
        sellable_when={"Active (0/1)": 1},
    ),
    _csv(
        "12-square-catalog.csv",
        {"TEE-S": 15, "TEE-M": 4},
        fields=_fields("SKU", ["Current Quantity Downtown", "Current Quantity Airport"]),
    ),
    _csv(
        "14-synnex.ap",
        {"4973148": 0, "5110001": 142, "5110002": 0},
        delimiter="~",
        header=False,
        fields=_fields(5, 10, name=7),
        sellable_when={"6": "A"},
    ),
    _csv(
        "15-leader-words.csv",
        {"KB-100": 5, "MS-200": 3, "MN-300": 0, "CB-400": 100, "HS-500": 1},
        fields=_fields("manufacturer sku", "at", name="description"),
        words={"call": 0, "in stock": 1},
    ),
    _json(
        "18-shopify-graphql.json",
        {"TEE-S": 15, "TEE-M": 0},
        fields=_fields(
            "sku",
            "inventoryLevels.edges.node.quantities.quantity",
            items="data.inventoryItems.edges.node",
        ),
    ),
    _json(
        "19-woo-rest-page1.json", {"WC-1": 5, "WC-2": 8}, fields=_fields("sku", "stock_quantity")
    ),
    _json(
        "20-bigcommerce-page1.json",
        {"BC-1": 45, "BC-2": 0},
        fields=_fields("sku", "inventory_level", items="data"),
    ),
    _json(
        "22-offset-page2.json", {"P-3": 30, "P-4": 40}, fields=_fields("sku", "qty", items="result")
    ),
    _json(
        "23-odata-page1.json",
        {"1896-S": 4, "1900-S": 9},
        fields=_fields("number", "inventory", name="displayName", items="value"),
    ),
    _json(
        "25-map-by-sku.json",
        {"A-1": 5, "A-2": 0, "A-3": 12},
        fields=_fields("$key", "$value"),
    ),
    Feed("26-lines.ndjson", {"A-1": 5, "A-2": 0}, told={"format": "ndjson", "fields": PLAIN}),
    _csv("28-excel-utf16.txt", {"A-1": 5, "A-2": 0}, fields=PLAIN),
    _csv("29-excel-sep-line.csv", {"A-1": 5, "A-2": 0}, fields=PLAIN),
    _csv("30-thousands.csv", {"A-1": 1250, "A-2": 40, "A-3": 7}, fields=PLAIN, numbers="1,234.5"),
    _csv("31-trailing-commas.csv", {"A-1": 5, "A-2": 0}, fields=PLAIN),
    _csv("31b-duplicate-heading.csv", {"A-1": 5, "A-2": 0}, fields=PLAIN),
    _csv("32b-name-long.csv", {"A-1": 5, "A-2": 7}, fields=PLAIN),
    _csv("33-ragged.csv", {"A-1": 5, "A-2": 7, "A-3": 9}, fields=PLAIN),
    _csv("34-total-row.csv", {"A-1": 5, "A-2": 7}, fields=PLAIN),
    _csv("34b-footer.csv", {"A-1": 5, "A-2": 7}, fields=PLAIN),
    _csv("36b-excel-guard.csv", {"00123": 7, "0456": 3}, rejected=1, fields=PLAIN),
    _csv("37-duplicate-rows.csv", {"A-1": 5, "A-2": 7}, fields=PLAIN),
    _csv(
        "38-status-says-no.csv",
        {"SKU-1": 10, "SKU-3": 0},
        fields=_fields("sku", "quantity"),
        sellable_when={"status": 1},
    ),
    _csv("40-stock.csv.gz", {"A-1": 5, "A-2": 7}, fields=PLAIN),
    _csv("41-stock.zip", {"A-1": 5, "A-2": 7}, fields=PLAIN),
    _json("44-number-ids.json", {"100234": 5, "100235": 7}, fields=PLAIN),
    _json("44b-text-quantities.json", {"A-1": 5, "A-2": 0}, fields=_fields("offerId", "quantity")),
    _json(
        "45-local-time.json",
        {"A-1": 5},
        fields=PLAIN | {"items": "items", "as_of": "generated"},
        timezone="Europe/Berlin",
    ),
]


def _read(folder: Path, feed: Feed) -> Snapshot:
    entry = {"id": "acme", "name": "Acme", "type": "file", "path": str(FEEDS / feed.file)}
    file = folder / "vendors.json"
    file.write_text(json.dumps([entry | feed.told]))
    [gateway] = vendors_from_file(file)
    assert isinstance(gateway, FileVendorGateway)
    return whole(gateway.fetch())


@pytest.mark.parametrize("feed", FEED_LIST, ids=lambda feed: feed.file)
def test_a_feed_is_read_as_somebody_would_who_knows_the_vendor(feed: Feed, tmp_path: Path) -> None:
    snapshot = _read(tmp_path, feed)
    assert {report.product_id: report.quantity for report in snapshot.reports} == feed.stock
    assert len(snapshot.rejections) == feed.rejected


def test_a_date_without_an_offset_is_of_the_vendors_zone(tmp_path: Path) -> None:
    [feed] = [feed for feed in FEED_LIST if feed.file.startswith("45")]
    assert _read(tmp_path, feed).as_of == datetime(2026, 1, 5, 9, tzinfo=UTC)


def test_a_footer_that_is_no_comment_is_one_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "stock.csv"
    path.write_text("sku,qty\nA-1,5\n2 rows exported\n")
    snapshot = _read(tmp_path, _csv(str(path), {}, fields=PLAIN))
    assert [report.product_id for report in snapshot.reports] == ["A-1"]


def test_without_a_rule_what_needs_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSnapshot, match=r"line 2, qty: must be a number.*'1,250'"):
        _read(tmp_path, _csv("30-thousands.csv", {}, fields=PLAIN, max_bad_rows=0))


@pytest.mark.parametrize(
    ("file", "changes", "fields"),
    [
        (
            "17-hotwax-deltas.csv",
            {"A-1": -1, "A-2": 3},
            {"product_id": "idValue", "quantity": "availableDelta"},
        ),
        (
            "17b-deltas-positive.csv",
            {"A-2": 3, "A-3": 1},
            {"product_id": "sku", "quantity": "quantity_change"},
        ),
    ],
)
def test_changes_are_told_apart_from_stock(
    file: str, changes: dict[str, int], fields: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "feed.csv"
    shutil.copy(FEEDS / file, path)
    entry = {"id": "acme", "name": "Acme", "type": "file", "path": "feed.csv", "format": "csv"}
    (tmp_path / "vendors.json").write_text(
        json.dumps([entry | {"fields": fields, "changes": True}])
    )
    [gateway] = vendors_from_file(tmp_path / "vendors.json")
    report = gateway.fetch()
    assert isinstance(report, StockUpdates)
    assert {update.product_id: update.change for update in report.updates} == changes
    assert gateway.fetch() == report
    # The same again, written later, is another feed.
    os.utime(path, (1, 1))
    again = gateway.fetch()
    assert isinstance(again, StockUpdates)
    assert again.key != report.key


def test_several_changes_of_a_product_add_up(tmp_path: Path) -> None:
    (tmp_path / "feed.csv").write_text("product_id,quantity\na,2\na,-5\nb,1\n")
    entry = {"id": "acme", "name": "Acme", "type": "file", "path": "feed.csv", "format": "csv"}
    (tmp_path / "vendors.json").write_text(json.dumps([entry | {"changes": True}]))
    [gateway] = vendors_from_file(tmp_path / "vendors.json")
    report = gateway.fetch()
    assert isinstance(report, StockUpdates)
    assert {update.product_id: update.change for update in report.updates} == {"a": -3, "b": 1}

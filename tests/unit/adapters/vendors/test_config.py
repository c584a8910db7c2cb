"""A vendors file becomes gateways, or one clear line that says what is wrong where."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from installed import install
from order_aggregator.adapters.vendors.config import (
    gateways,
    read_declared,
    vendors_from_file,
)
from order_aggregator.adapters.vendors.feed import FeedFormat
from order_aggregator.adapters.vendors.file import FileVendorGateway
from order_aggregator.adapters.vendors.http import HttpVendorGateway
from order_aggregator.domain.counting import CountsOrders
from order_aggregator.domain.errors import InvalidValue
from order_aggregator.domain.stock import Vendor
from order_aggregator.domain.vendor_sync import VendorTerms
from order_aggregator.testing.shop import whole

HTTP = {"id": "a", "name": "A", "type": "http", "format": "json", "url": "http://a.example/stock"}
FILE = {"id": "b", "name": "B", "type": "file", "format": "csv", "path": "stock/b.csv"}
EXAMPLES = Path(__file__).parents[4] / "examples"


def _write(folder: Path, entries: object) -> Path:
    path = folder / "vendors.json"
    path.write_text(json.dumps(entries))
    return path


def test_an_entry_becomes_a_gateway(tmp_path: Path) -> None:
    fields = {"product_id": "sku", "items": "rows", "next_page": "next"}
    http = HTTP | {"fields": fields, "headers": {"X-Key": "s3cret"}, "timeout": 5}
    path = _write(tmp_path, [http, FILE])
    assert vendors_from_file(path) == [
        HttpVendorGateway(
            vendor=Vendor(id="a", name="A"),
            url="http://a.example/stock",
            feed_format=FeedFormat(kind="json", product_id="sku", items="rows", next_page="next"),
            headers={"X-Key": "s3cret"},
            timeout=5.0,
        ),
        FileVendorGateway(
            vendor=Vendor(id="b", name="B"),
            path=tmp_path / "stock" / "b.csv",
            feed_format=FeedFormat(kind="csv"),
        ),
    ]


@pytest.mark.parametrize(
    ("told", "counts_orders"),
    [
        ({}, CountsOrders()),
        ({"clock_tolerance": "5m"}, CountsOrders(clock_tolerance=timedelta(minutes=5))),
        ({"counts_orders": "by_sequence"}, CountsOrders(by_as_of=False, delay=None)),
        (
            {"counts_orders": "by_as_of", "clock_tolerance": "0s"},
            CountsOrders(by_sequence=False, delay=timedelta(0), clock_tolerance=timedelta(0)),
        ),
        (
            {"counts_orders": "after:7d"},
            CountsOrders(by_sequence=False, by_as_of=False, delay=timedelta(days=7)),
        ),
    ],
)
@pytest.mark.parametrize("entry", [HTTP, FILE])
def test_how_a_vendor_counts_orders_may_be_told(
    tmp_path: Path, entry: dict[str, Any], told: dict[str, str], counts_orders: CountsOrders
) -> None:
    [gateway] = vendors_from_file(_write(tmp_path, [entry | told]))
    assert gateway.terms.counts_orders == counts_orders


def test_how_far_a_vendor_is_believed_may_be_told(tmp_path: Path) -> None:
    told: dict[str, Any] = {"max_age": "2d", "max_cut": None, "confirm_after": "5m"}
    [gateway] = vendors_from_file(_write(tmp_path, [FILE | told]))
    assert gateway.terms == VendorTerms(
        max_age=timedelta(days=2), max_cut=None, confirm_after=timedelta(minutes=5)
    )
    [gateway] = vendors_from_file(_write(tmp_path, [FILE]))
    assert gateway.terms == VendorTerms(max_cut=0.5, confirm_after=timedelta(hours=1))


def test_a_vendors_ids_may_be_mapped_to_ours(tmp_path: Path) -> None:
    (tmp_path / "stock").mkdir()
    (tmp_path / "stock" / "b.csv").write_text("product_id,quantity\n1001,5\n1002,7\n1003,9\n")
    (tmp_path / "ids.csv").write_text("vendor_sku;product_id\n1001;tea\n 1002 ;cup\n")
    path = _write(tmp_path, [FILE | {"ids": "ids.csv", "max_bad_rows": 0}])
    [gateway] = vendors_from_file(path)
    snapshot = whole(gateway.fetch())
    assert {r.product_id: r.quantity for r in snapshot.reports} == {"tea": 5, "cup": 7}
    [rejection] = snapshot.rejections
    assert "line 4, product_id: is not among the ids that are mapped" in str(rejection)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "No such file"),
        ("vendor_sku\n1\n", "must have a column 'product_id'"),
        ("vendor_sku,product_id\n1,\n", "line 2: must have 1 to 100 characters"),
        ("vendor_sku,product_id\n1,a\n1,b\n", "line 3: is the second for '1'"),
    ],
)
def test_a_file_of_ids_that_is_wrong_says_where(
    tmp_path: Path, content: str | None, problem: str
) -> None:
    if content is not None:
        (tmp_path / "ids.csv").write_text(content)
    with pytest.raises(InvalidValue) as caught:
        vendors_from_file(_write(tmp_path, [FILE | {"ids": "ids.csv"}]))
    assert "vendor 1, ids: " in str(caught.value)
    assert problem in str(caught.value)


def test_a_file_may_be_toml(tmp_path: Path) -> None:
    path = tmp_path / "vendors.toml"
    path.write_text("""
        [[vendor]]
        id = "b"
        name = "B"
        type = "file"
        format = "csv"
        path = "stock/b.csv"
        max_cut = "none"
        fields = { quantity = ["north", "south"] }
        where = { kind = ["simple"] }
    """)
    [gateway] = vendors_from_file(path)
    assert isinstance(gateway, FileVendorGateway)
    assert gateway.path == tmp_path / "stock" / "b.csv"
    assert gateway.feed_format.quantity == ("north", "south")
    assert gateway.terms.max_cut is None
    path.write_text("[[vendor]")
    with pytest.raises(InvalidValue, match="not TOML"):
        vendors_from_file(path)
    path.write_text("vendors = []")
    with pytest.raises(InvalidValue, match="must be a list of vendors"):
        vendors_from_file(path)


def test_the_example_is_right_and_its_files_can_be_read() -> None:
    found = gateways(vendors_from_file(EXAMPLES / "vendors.json"))
    assert list(found) == ["acme", "bayside", "corner-shop", "depot"]
    for vendor_id in ("corner-shop", "depot"):
        assert len(whole(found[vendor_id].fetch()).reports) == 2


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    http = HTTP | {"headers": {"X-Key": "s3cret"}, "url": "http://me:s3cret@a.example/"}
    [gateway] = vendors_from_file(_write(tmp_path, [http]))
    assert "s3cret" not in repr(gateway)


def _without(entry: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != key}


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("a", "entry: must be an object"),
        (_without(HTTP, "id"), "id: is missing"),
        (HTTP | {"id": ""}, "id: must have 1 to 100 characters"),
        (HTTP | {"id": 7}, "id: must be a string"),
        (HTTP | {"name": "x" * 201}, "name: must have 1 to 200 characters"),
        (_without(HTTP, "type"), 'type: must be "http", "file" or "remote"'),
        (HTTP | {"type": ["http"]}, 'type: must be "http", "file" or "remote"'),
        (HTTP | {"format": "xls"}, "format: must be 'json', 'csv', 'ndjson' or 'xml'"),
        (HTTP | {"format": {}}, "format: must be 'json', 'csv', 'ndjson' or 'xml'"),
        (_without(HTTP, "url"), "url: is missing"),
        (HTTP | {"url": 7}, "url: must be a string"),
        (HTTP | {"url": "ftp://a.example/"}, "url: must begin with http:// or https://"),
        (HTTP | {"url": "a.example/stock"}, "url: must begin with http:// or https://"),
        (HTTP | {"url": "http:///stock"}, "url: must begin with http:// or https://"),
        (HTTP | {"url": "http://a.example:port/"}, "url: must be an address"),
        (HTTP | {"url": "http://a.example:99999/"}, "url: must have a port from 1 to 65535"),
        (
            HTTP | {"path": "x"},
            "'path': is no key here; there are auth, body, ",
        ),
        (HTTP | {"colour": 1}, "'colour': is no key here"),
        (HTTP | {"fields": []}, "fields: must be an object"),
        (HTTP | {"fields": {"sku": "x"}}, "fields.'sku': is no key here"),
        (HTTP | {"fields": {"kind": "csv"}}, "fields.'kind': is no key here"),
        (HTTP | {"fields": {"quantity": 5}}, "fields.quantity: must be a string"),
        (HTTP | {"format": "csv", "fields": {"items": "x"}}, "fields.items: means nothing"),
        (HTTP | {"headers": "x"}, "headers: must be an object"),
        (HTTP | {"headers": {"X Key": "x"}}, "headers: 'X Key' is no name of a header"),
        (HTTP | {"headers": {"X-Key": "a\r\nb: c"}}, "headers.X-Key: must be printable"),
        (HTTP | {"headers": {"X-Key": 7}}, "headers.X-Key: must be text, "),
        (HTTP | {"timeout": "5"}, "timeout: must be a number of seconds"),
        (HTTP | {"timeout": True}, "timeout: must be a number of seconds"),
        (HTTP | {"timeout": 0}, "timeout: must be more than 0"),
        (_without(FILE, "path"), "path: is missing"),
        (FILE | {"path": ""}, "path: must have 1 to 4000 characters"),
        (FILE | {"path": "a\0b"}, "path: must not contain control characters"),
        (FILE | {"path": "\ud800"}, "path: must not contain control characters"),
        (FILE | {"timeout": 5}, "'timeout': is no key here"),
        (FILE | {"encoding": "klingon"}, "encoding: must be the name of an encoding"),
        (FILE | {"encoding": 8}, "encoding: must be the name of an encoding"),
        (FILE | {"encoding": "hex"}, "encoding: must be the name of an encoding"),
        (FILE | {"encoding": "undefined"}, "encoding: must be the name of an encoding"),
        (FILE | {"encoding": "a\0b"}, "encoding: must be the name of an encoding"),
        (FILE | {"delimiter": "::"}, "delimiter: must be one character"),
        (FILE | {"header": "no"}, "header: must be true or false"),
        (FILE | {"sum_rows": 1}, "sum_rows: must be true or false"),
        (FILE | {"timezone": "Mars/Base"}, "timezone: must be the name of a time zone"),
        (FILE | {"timezone": 1}, "timezone: must be the name of a time zone"),
        (FILE | {"numbers": "1.0"}, "numbers: must be one of '1234.5', "),
        (FILE | {"numbers": []}, "numbers: must be one of '1234.5', "),
        (FILE | {"words": ["none"]}, "words: must be an object of words and the units"),
        (FILE | {"words": {"none": -1}}, "words.none: must be a whole number of units"),
        (FILE | {"where": []}, "where: must be an object of places and the values"),
        (FILE | {"where": {"a": []}}, "where.a: must have a value at least"),
        (FILE | {"sellable_when": 1}, "sellable_when: must be an object of places"),
        (FILE | {"max_bad_rows": -1}, "max_bad_rows: must be a whole number from 0 up"),
        (FILE | {"max_bad_rows": "5%"}, "max_bad_rows: must be a whole number from 0 up"),
        (FILE | {"fields": {"quantity": 5}}, "fields.quantity: must be a string"),
        (FILE | {"max_age": 60}, 'max_age: must be a duration such as "90s"'),
        (FILE | {"confirm_after": "soon"}, 'confirm_after: must be a duration such as "90s"'),
        (FILE | {"max_cut": 0}, "max_cut: must be more than 0, and at most 1, or none"),
        (FILE | {"max_cut": True}, "max_cut: must be more than 0, and at most 1, or none"),
        (FILE | {"max_cut": "50%"}, "max_cut: must be more than 0, and at most 1, or none"),
        (FILE | {"counts_orders": "soon"}, 'counts_orders: must be "by_sequence", "by_as_of" or '),
        (FILE | {"counts_orders": ["by_as_of"]}, 'counts_orders: must be "by_sequence"'),
        (FILE | {"counts_orders": "after:1w"}, 'counts_orders: must be a duration such as "90s"'),
        (FILE | {"clock_tolerance": 60}, 'clock_tolerance: must be a duration such as "90s"'),
        (HTTP | {"clock_tolerance": "9999d"}, "clock_tolerance: must be a duration"),
        (
            FILE | {"format": "json", "fields": {"next_page": "n"}},
            "fields.next_page: means nothing",
        ),
    ],
)
def test_a_mistake_names_the_entry_and_the_field(
    tmp_path: Path, entry: object, problem: str
) -> None:
    path = _write(tmp_path, [FILE | {"id": "first"}, entry])
    with pytest.raises(InvalidValue) as caught:
        vendors_from_file(path)
    assert str(caught.value).startswith(f"vendors_file: {path}: vendor 2, {problem}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"{}", "must be a list of vendors"),
        (b"[", "not JSON"),
        (b'[{"id": "a", "id": "b"}]', "'id' stands twice"),
        (b"[NaN]", "not JSON"),
        (b"\xff", "not UTF-8 at byte 0"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_file_that_is_no_list(tmp_path: Path, content: bytes | None, problem: str) -> None:
    path = tmp_path / "vendors.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidValue) as caught:
        vendors_from_file(path)
    assert str(caught.value).startswith(f"vendors_file: {path}: ")
    assert problem in str(caught.value)


def test_a_vendor_must_not_stand_twice(tmp_path: Path) -> None:
    path = _write(tmp_path, [HTTP, FILE | {"id": "a"}])
    with pytest.raises(InvalidValue, match="vendor 2, id: is that of another: 'a'"):
        vendors_from_file(path)
    [declared], [_] = read_declared(path)
    assert declared.vendor.name == HTTP["name"]


def test_nobody_may_be_declared(tmp_path: Path) -> None:
    assert vendors_from_file(_write(tmp_path, [])) == []


def test_how_often_a_vendor_is_asked_may_be_its_own(tmp_path: Path) -> None:
    [gateway] = vendors_from_file(_write(tmp_path, [FILE | {"every": "15m"}]))
    assert gateway.terms.every == timedelta(minutes=15)


def test_installed_packages_bring_types_of_vendors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry_points = {
        "order_aggregator.vendors": {"edi": "edi_vendor:make", "broken": "nowhere:make"}
    }
    edi_vendor = (
        "from order_aggregator import InvalidValue, MemoryVendorGateway, Vendor\n"
        "def make(entry, folder):\n"
        "    if 'partner' not in entry:\n"
        "        raise InvalidValue('partner', 'is missing')\n"
        "    return MemoryVendorGateway(Vendor(id=entry['id'], name=entry['name']))\n"
    )
    install(tmp_path, monkeypatch, entry_points, edi_vendor=edi_vendor)
    file = tmp_path / "vendors.json"
    entry = {"id": "acme", "name": "Acme", "type": "edi", "partner": "4711"}

    def read(**changes: object) -> list[str]:
        file.write_text(json.dumps([{**entry, **changes}]))
        return [gateway.vendor.id for gateway in vendors_from_file(file)]

    assert read() == ["acme"]
    file.write_text(json.dumps([{"id": "acme", "name": "Acme", "type": "edi"}]))
    with pytest.raises(InvalidValue, match="vendor 1, partner: is missing"):
        vendors_from_file(file)
    with pytest.raises(InvalidValue, match="type: cannot load the plug-in broken"):
        read(type="broken")
    with pytest.raises(InvalidValue, match="or the name of a plug-in"):
        read(type="ftp")

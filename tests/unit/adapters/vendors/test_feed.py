"""Reading feeds: the whole of it, or an error that says where and what."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_aggregator.adapters.vendors.feed import FeedFormat, Page, parse, snapshot
from order_aggregator.domain.errors import InvalidSnapshot, InvalidValue
from order_aggregator.domain.stock import Vendor
from order_aggregator.domain.vendor_sync import StockReport

JSON = FeedFormat(kind="json")
CSV = FeedFormat(kind="csv")
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
UNSTORABLE = "must not contain control characters or lone surrogates"
BOM = b"\xef\xbb\xbf"


def _report(product_id: str, quantity: int, name: str | None = None) -> StockReport:
    return StockReport(product_id=product_id, name=name, quantity=quantity)


def _problem(body: bytes, feed_format: FeedFormat) -> str:
    with pytest.raises(InvalidSnapshot) as caught:
        parse(body, feed_format, "acme")
    assert caught.value.vendor_id == "acme"
    assert "\n" not in str(caught.value)
    return caught.value.problem


class TestJson:
    def test_a_list_of_products(self) -> None:
        body = b'[{"product_id": "a", "name": "A thing", "quantity": 5, "price": 1.5}]'
        assert parse(body, JSON, "acme").reports == (_report("a", 5, "A thing"),)

    def test_keys_and_nested_places_of_the_vendors_own(self) -> None:
        feed_format = FeedFormat(
            kind="json",
            product_id="sku",
            name="texts.title",
            quantity="stock.free",
            items="data.items",
            as_of="data.at",
            next_page="links.next",
        )
        body = {
            "data": {
                "at": "2026-01-01T01:00:00+01:00",
                "items": [{"sku": "a", "texts": {"title": "A"}, "stock": {"free": 3}}],
            },
            "links": {"next": "/2"},
        }
        assert parse(json.dumps(body).encode(), feed_format, "acme") == Page(
            reports=(_report("a", 3, "A"),), as_of=NEW_YEAR, next_page="/2"
        )

    @pytest.mark.parametrize("last", ["{}", '{"next": null}', '{"next": ""}'])
    def test_the_last_page_has_no_next(self, last: str) -> None:
        feed_format = FeedFormat(kind="json", items="rows", next_page="next")
        body = json.dumps({"rows": []} | json.loads(last)).encode()
        assert parse(body, feed_format, "acme").next_page is None

    @pytest.mark.parametrize("name", ["", ', "name": null', ', "name": ""'])
    def test_a_product_may_be_without_a_name(self, name: str) -> None:
        body = f'[{{"product_id": "a", "quantity": 1{name}}}]'.encode()
        assert parse(body, JSON, "acme").reports == (_report("a", 1),)

    def test_a_byte_order_mark_is_passed_over(self) -> None:
        assert parse(BOM + b"[]", JSON, "acme").reports == ()

    @pytest.mark.parametrize(
        "quantity",
        ["2.0", "1e3", "-1", "true", '"5"', "null", "[]", "1000000001", "9" * 5000, "NaN"],
    )
    def test_a_quantity_is_a_whole_number(self, quantity: str) -> None:
        body = (
            f'[{{"product_id": "a", "quantity": 1}}, {{"product_id": "b", "quantity": {quantity}}}]'
        )
        _problem(body.encode(), JSON)

    def test_a_problem_names_item_field_and_what_was_expected(self) -> None:
        feed_format = FeedFormat(kind="json", quantity="qty")
        body = b'[{"product_id": "a", "qty": 1}, {"product_id": "b", "qty": 2.5}]'
        assert _problem(body, feed_format) == "item 2, qty: must be a whole number, but is 2.5"

    @pytest.mark.parametrize(
        ("item", "problem"),
        [
            ("{}", "item 1, product_id: must be a string, but is missing"),
            ('"a"', "item 1, product_id: must be a string, but is missing"),
            ('{"product_id": 7, "quantity": 1}', "item 1, product_id: must be a string, but is 7"),
            (
                '{"product_id": "a", "name": 7, "quantity": 1}',
                "item 1, name: must be a string, but is 7",
            ),
            ('{"product_id": "a"}', "item 1, quantity: must be a whole number, but is missing"),
            (
                '{"product_id": "\\u0000", "quantity": 1}',
                rf"item 1, product_id: {UNSTORABLE}, but is '\x00'",
            ),
            (
                '{"product_id": "\\ud800", "quantity": 1}',
                rf"item 1, product_id: {UNSTORABLE}, but is '\ud800'",
            ),
        ],
    )
    def test_broken_items(self, item: str, problem: str) -> None:
        assert _problem(f"[{item}]".encode(), JSON) == problem

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (b"", "it is empty"),
            (b" \n", "it is empty"),
            (b"{\n  a", "it begins with '{ a'"),
            (b"<!DOCTYPE html><html>", "begins with '<!DOCTYPE html><html>'"),
            (b'[{"product_id": "a", "quan', "not JSON"),
            (
                b'[{"product_id": "a", "product_id": "b", "quantity": 1}]',
                "'product_id' stands twice",
            ),
            (b'{"products": []}', "the document: must be a list of products"),
            (b"[" * 100_000, "nested too deeply"),
            ('[{"product_id": "ä"}]'.encode("latin-1"), "not UTF-8 at byte 17"),
            ("[]".encode("utf-16"), "not UTF-8 at byte 0"),
            (b"null", "the document: must be a list of products, but is missing"),
        ],
    )
    def test_broken_documents(self, body: bytes, words: str) -> None:
        assert words in _problem(body, JSON)

    def test_a_key_that_stands_twice_in_a_huge_object_is_found_at_once(self) -> None:
        keys = ",".join(f'"{n}":0' for n in range(100_000))
        assert "stands twice" in _problem(f'[{{{keys},"99999":0}}]'.encode(), JSON)

    @pytest.mark.parametrize("items", ["{}", '{"rows": null}', '{"rows": {}}', "[]"])
    def test_the_list_must_be_where_it_was_said_to_be(self, items: str) -> None:
        problem = _problem(items.encode(), FeedFormat(kind="json", items="rows"))
        assert problem.startswith("rows: must be a list of products")

    @pytest.mark.parametrize("link", ["2", "{}", '"/a\\nb"', '"/\\ud800"', f'"{"x" * 4001}"'])
    def test_a_next_page_is_text(self, link: str) -> None:
        feed_format = FeedFormat(kind="json", items="rows", next_page="next")
        problem = _problem(f'{{"rows": [], "next": {link}}}'.encode(), feed_format)
        assert problem.startswith("next: must ")

    @pytest.mark.parametrize(
        "as_of",
        [
            None,
            5,
            "",
            "yesterday",
            "2026-01-01",
            "2026-01-01T00:00:00",
            "0001-01-01T00:00:00+05:00",
        ],
    )
    def test_a_promised_as_of_must_be_a_moment(self, as_of: object) -> None:
        feed_format = FeedFormat(kind="json", items="rows", as_of="at")
        problem = _problem(json.dumps({"rows": [], "at": as_of}).encode(), feed_format)
        assert problem.startswith("at: must be a moment in ISO 8601 with a UTC offset")


class TestCsv:
    def test_rows_in_any_order_of_columns(self) -> None:
        body = b'price,quantity,name,product_id\r\n1.5,5,"A, or ""B""",a\r\n,0,,b\r\n'
        assert parse(body, CSV, "acme").reports == (_report("a", 5, 'A, or "B"'), _report("b", 0))

    def test_headings_of_the_vendors_own_and_a_date_a_row(self) -> None:
        feed_format = FeedFormat(kind="csv", product_id="sku", quantity="qty", as_of="at")
        body = b"sku,qty,at\na,1,2026-01-02T00:00:00Z\nb,2,2026-01-01T00:00:00Z\n"
        later, earlier = (
            attrs.evolve(_report("a", 1), as_of=LATER),
            attrs.evolve(_report("b", 2), as_of=NEW_YEAR),
        )
        assert parse(body, feed_format, "acme") == Page(reports=(later, earlier), as_of=None)

    def test_rows_that_all_have_one_date_have_the_date_of_the_whole(self) -> None:
        feed_format = FeedFormat(kind="csv", as_of="at")
        body = b"product_id,quantity,at\na,1,2026-01-01T00:00:00Z\nb,2,2026-01-01T01:00:00+01:00\n"
        page = parse(body, feed_format, "acme")
        assert page == Page(reports=(_report("a", 1), _report("b", 2)), as_of=NEW_YEAR)

    def test_byte_order_mark_blank_lines_and_a_last_line_without_end(self) -> None:
        body = BOM + b"product_id,quantity\n\na,1\n\nb,2"
        assert parse(body, CSV, "acme").reports == (_report("a", 1), _report("b", 2))

    def test_nothing_but_a_header_is_a_vendor_with_nothing(self) -> None:
        feed_format = FeedFormat(kind="csv", as_of="at")
        page = parse(b"product_id,name,quantity,at\n", feed_format, "acme")
        assert page == Page(reports=(), as_of=None)

    @pytest.mark.parametrize(
        "cell",
        ["1.0", "1e3", "-1", "+1", " 1", "1 ", "1_000", "", "٣", "0x1", "1000000001", "9" * 9999],
    )
    def test_a_quantity_is_digits(self, cell: str) -> None:
        problem = _problem(f"product_id,quantity\na,1\nb,{cell}\n".encode(), CSV)
        assert problem.startswith("line 3, quantity: must be ")

    @pytest.mark.parametrize(
        ("body", "problem"),
        [
            (b"", "header: must have a column 'product_id', but is []"),
            (b"product_id,name\n", "header: must have a column 'quantity', but is"),
            (b"<html>\n<body>\n", "header: must have a column 'product_id', but is ['<html>']"),
            (b"product_id,quantity,quantity\n", "header: must name each column once"),
            (b"product_id,quantity\na,1\nb\n", "line 3: must have 2 cells, but has 1"),
            (b"product_id,quantity\na,1,2\n", "line 2: must have 2 cells, but has 3"),
            (b'product_id,quantity\na,1\n"b', "line 3: not CSV: unexpected end of data"),
            (b'product_id,quantity\n"a"x,1\n', "line 2: not CSV: "),
            (b"product_id,quantity\n,1\n", "line 2, product_id: must have 1 to 100 characters"),
            (b'product_id,quantity\n"a\nb",1\n', "line 3, product_id: must not contain control"),
            (b"product_id,quantity\n" + b"x" * 200_000 + b",1\n", "line 2: not CSV: field larger"),
            ("product_id,quantity\nä,1\n".encode("latin-1"), "not UTF-8 at byte 20"),
        ],
    )
    def test_broken_documents(self, body: bytes, problem: str) -> None:
        assert _problem(body, CSV).startswith(problem)

    def test_a_promised_as_of_must_be_in_each_row(self) -> None:
        feed_format = FeedFormat(kind="csv", as_of="at")
        assert "column 'at'" in _problem(b"product_id,quantity\n", feed_format)
        body = b"product_id,quantity,at\na,1,2026-01-01T00:00:00Z\nb,1,\n"
        assert _problem(body, feed_format).startswith("line 3, at: must be a moment")


class TestFormat:
    @pytest.mark.parametrize(
        ("kind", "fields", "field"),
        [
            ("xml", {}, "format"),
            (["json"], {}, "format"),
            ("json", {"product_id": None}, "product_id"),
            ("json", {"quantity": ""}, "quantity"),
            ("json", {"as_of": 5}, "as_of"),
            ("csv", {"items": "rows"}, "items"),
            ("csv", {"next_page": "next"}, "next_page"),
        ],
    )
    def test_mistakes_name_the_field(self, kind: Any, fields: dict[str, Any], field: str) -> None:
        with pytest.raises(InvalidValue) as caught:
            FeedFormat(kind=kind, **fields)
        assert caught.value.field == field


VENDOR = Vendor(id="acme", name="Acme")
LATER = datetime(2026, 1, 2, tzinfo=UTC)


class TestSnapshot:
    def test_all_pages_as_of_the_earliest(self) -> None:
        pages = [
            Page(reports=(_report("a", 1),), as_of=LATER),
            Page(reports=(_report("b", 2),), as_of=NEW_YEAR),
        ]
        whole = snapshot(VENDOR, pages, evidence=None)
        assert whole.reports == (_report("a", 1), _report("b", 2))
        assert (whole.as_of, whole.stated) == (NEW_YEAR, True)

    @pytest.mark.parametrize("others", [(), (Page(reports=(), as_of=LATER),)])
    def test_as_of_the_evidence_where_a_page_says_nothing(self, others: tuple[Page, ...]) -> None:
        whole = snapshot(VENDOR, [*others, Page(reports=(), as_of=None)], NEW_YEAR)
        assert (whole.as_of, whole.stated) == (NEW_YEAR, False)

    def test_a_product_on_two_pages_is_refused(self) -> None:
        pages = [Page(reports=(_report("a", 1),), as_of=None)] * 2
        with pytest.raises(InvalidSnapshot, match="'a' stands twice"):
            snapshot(VENDOR, pages, NEW_YEAR)


@given(st.binary(max_size=200), st.sampled_from([JSON, CSV, FeedFormat(kind="json", items="a.b")]))
def test_any_bytes_are_read_or_refused(body: bytes, feed_format: FeedFormat) -> None:
    with suppress(InvalidSnapshot):
        parse(body, feed_format, "acme")


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["product_id", "name", "quantity", "x"]), inner, max_size=4
        )
    ),
)


@given(_json, st.sampled_from([JSON, FeedFormat(kind="json", items="x", as_of="name")]))
def test_any_json_is_read_or_refused(document: object, feed_format: FeedFormat) -> None:
    try:
        page = parse(json.dumps(document).encode(), feed_format, "acme")
    except InvalidSnapshot:
        return
    assert all(type(report.quantity) is int and report.quantity >= 0 for report in page.reports)

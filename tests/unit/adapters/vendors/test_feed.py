"""Reading feeds: what can be understood, and where and what the rest is."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_aggregator.adapters.vendors.feed import FeedFormat, FeedReader
from order_aggregator.domain.errors import InvalidSnapshot, InvalidValue
from order_aggregator.domain.stock import Vendor
from order_aggregator.domain.stock_updates import UNSAID, StockUpdates
from order_aggregator.domain.vendor_sync import Snapshot, StockReport
from order_aggregator.testing.shop import whole

JSON = FeedFormat(kind="json")
CSV = FeedFormat(kind="csv")
VENDOR = Vendor(id="acme", name="Acme")
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 1, 2, tzinfo=UTC)
UNSTORABLE = "must not contain control characters or lone surrogates"
BOM = b"\xef\xbb\xbf"
NO_NUMBER = "must be a number of units"


def _report(product_id: str, quantity: int, name: str | None = None) -> StockReport:
    return StockReport(product_id=product_id, name=name, quantity=quantity)


def _read(body: bytes, feed_format: FeedFormat, *, evidence: datetime | None = None) -> Snapshot:
    reader = FeedReader(feed_format, VENDOR)
    with reader.read(BytesIO(body)):
        pass
    reader.finish()
    return whole(reader.report(evidence, ""))


def _stock(body: bytes, feed_format: FeedFormat) -> dict[str, int]:
    return {report.product_id: report.quantity for report in _read(body, feed_format).reports}


def _problem(body: bytes, feed_format: FeedFormat) -> str:
    with pytest.raises(InvalidSnapshot) as caught:
        _read(body, feed_format)
    assert caught.value.vendor_id == "acme"
    assert "\n" not in str(caught.value)
    return caught.value.problem


def _json_of(item: str) -> bytes:
    return f"[{item}]".encode()


class TestJson:
    def test_a_list_of_products(self) -> None:
        body = b'[{"product_id": "a", "name": "A thing", "quantity": 5, "price": 1.5}]'
        assert _read(body, JSON).reports == (_report("a", 5, "A thing"),)

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
        reader = FeedReader(feed_format, VENDOR)
        with reader.read(BytesIO(json.dumps(body).encode())) as page:
            assert page.next_page == "/2"
        assert reader.finish()
        snapshot = whole(reader.report(LATER, ""))
        assert snapshot.reports == (_report("a", 3, "A"),)
        assert (snapshot.as_of, snapshot.stated) == (NEW_YEAR, True)

    def test_a_key_may_have_dots_in_it(self) -> None:
        feed_format = FeedFormat(kind="json", quantity="stock.free", items="a.b.c")
        body = b'{"a.b": {"c": [{"product_id": "a", "stock.free": 3}]}}'
        assert _stock(body, feed_format) == {"a": 3}

    def test_variants_within_products_have_what_the_product_has(self) -> None:
        feed_format = FeedFormat(kind="json", product_id="sku", name="title", items="p.variants")
        body = b"""{"p": [{"title": "Tee", "variants": [{"sku": "S", "quantity": 1},
            {"sku": "M", "quantity": 2}]}, {"title": "Cap", "variants": []}]}"""
        assert _read(body, feed_format).reports == (_report("S", 1, "Tee"), _report("M", 2, "Tee"))

    def test_an_item_may_have_a_date_of_its_own(self) -> None:
        feed_format = FeedFormat(kind="json", as_of="at")
        body = b"""[{"product_id": "a", "quantity": 1, "at": "2026-01-01T00:00:00Z"},
            {"product_id": "b", "quantity": 1, "at": "2026-01-02T00:00:00Z"}]"""
        snapshot = _read(body, feed_format, evidence=LATER)
        assert [report.as_of for report in snapshot.reports] == [NEW_YEAR, LATER]
        assert (snapshot.as_of, snapshot.stated) == (LATER, False)

    @pytest.mark.parametrize("last", ["{}", '{"next": null}', '{"next": ""}'])
    def test_the_last_page_has_no_next(self, last: str) -> None:
        feed_format = FeedFormat(kind="json", items="rows", next_page="next")
        body = json.dumps({"rows": []} | json.loads(last)).encode()
        with FeedReader(feed_format, VENDOR).read(BytesIO(body)) as page:
            assert page.next_page is None

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("", None),
            (', "name": null', None),
            (', "name": ""', None),
            (', "name": 7', "7"),
            (', "name": [1]', "1"),
            (f', "name": "{"x" * 201}"', "x" * 200),
            (', "name": "a\\u0000b"', "a\N{REPLACEMENT CHARACTER}b"),
        ],
    )
    def test_no_name_keeps_a_product_from_being_read(self, name: str, expected: object) -> None:
        [report] = _read(_json_of(f'{{"product_id": "a", "quantity": 1{name}}}'), JSON).reports
        assert report.name == expected

    def test_a_byte_order_mark_is_passed_over(self) -> None:
        assert _read(BOM + b"[]", JSON).reports == ()

    @pytest.mark.parametrize(
        "quantity", ["true", "[]", "{}", '"x"', "1000000001", "1e400", '"NaN"']
    )
    def test_what_is_no_quantity_is_rejected_and_the_rest_is_read(self, quantity: str) -> None:
        item = (
            f'{{"product_id": "a", "quantity": 1}}, {{"product_id": "b", "quantity": {quantity}}}'
        )
        snapshot = _read(_json_of(item), JSON)
        assert snapshot.reports == (_report("a", 1),)
        [rejection] = snapshot.rejections
        assert (rejection.place, rejection.product_id, rejection.field) == (
            "item 2",
            "b",
            "quantity",
        )

    def test_a_problem_names_item_field_and_what_was_expected(self) -> None:
        feed_format = FeedFormat(kind="json", quantity="qty")
        body = b'[{"product_id": "a", "qty": 1}, {"product_id": "b", "qty": "two"}]'
        [rejection] = _read(body, feed_format).rejections
        assert str(rejection) == f"item 2, qty: {NO_NUMBER}, but is 'two'"

    @pytest.mark.parametrize(
        ("item", "problem"),
        [
            ("{}", "item 1, product_id: must be a string, but is missing"),
            ('"a"', "item 1, product_id: must be a string, but is missing"),
            (
                '{"product_id": 7.5, "quantity": 1}',
                "item 1, product_id: must be a string, but is 7.5",
            ),
            ('{"product_id": "a"}', f"item 1, quantity: {NO_NUMBER}, but is missing"),
            (
                '{"product_id": "a\\u0000", "quantity": 1}',
                rf"item 1, product_id: {UNSTORABLE}, but is 'a\x00'",
            ),
            (
                '{"product_id": "\\ud800", "quantity": 1}',
                rf"item 1, product_id: {UNSTORABLE}, but is '\ud800'",
            ),
        ],
    )
    def test_a_feed_of_nothing_but_bad_items_is_refused(self, item: str, problem: str) -> None:
        assert _problem(_json_of(item), JSON) == problem

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
            (b'[{"product_id": "a", "quantity": ' + b"9" * 5000 + b"}]", "not JSON"),
            (b'[{"product_id": "a", "quantity": NaN}]', "NaN is no JSON"),
            (b"null", "the document: must be a list of products, but is missing"),
        ],
    )
    def test_broken_documents(self, body: bytes, words: str) -> None:
        assert words in _problem(body, JSON)

    def test_a_key_that_stands_twice_in_a_huge_object_is_found_at_once(self) -> None:
        keys = ",".join(f'"{n}":0' for n in range(100_000))
        assert "stands twice" in _problem(f'[{{{keys},"99999":0}}]'.encode(), JSON)

    @pytest.mark.parametrize("items", ["{}", '{"rows": null}', '{"rows": {}}', "[]", '[{"x": 1}]'])
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

    @pytest.mark.parametrize("depth", [300, 900, 990, 3000])
    def test_however_deep_it_is_read_or_refused(self, depth: int) -> None:
        keys = FeedFormat(kind="json", items=".".join(["a"] * 30))
        for form, body in (
            (JSON, b"[" * depth + b"]" * depth),
            (keys, b'{"a":' * depth + b"[]" + b"}" * depth),
            (FeedFormat(kind="xml", items="a.a"), b"<a>" * depth + b"</a>" * depth),
        ):
            with suppress(InvalidSnapshot):
                _read(body, form)

    @pytest.mark.parametrize("sequence", ["-1", "1e3", "true", str(2**63)])
    def test_a_sequence_is_a_number_that_can_be_kept(self, sequence: str) -> None:
        feed_format = FeedFormat(kind="json", acked_through="seen")
        items = f'{{"product_id": "a", "quantity": 1, "seen": {sequence}}}'
        assert "seen: must be a whole number from 0 up" in _problem(_json_of(items), feed_format)


class TestXml:
    FORMAT = FeedFormat(kind="xml", product_id="@sku", quantity="n", items="shop.item")

    def test_elements_whatever_their_namespace_and_attributes(self) -> None:
        body = b"""<?xml version="1.0"?><s:all xmlns:s="urn:x"><s:shop><s:item sku="a"><s:n>1</s:n>
            </s:item><s:item sku="b"><s:n>2</s:n></s:item></s:shop></s:all>"""
        assert _stock(body, self.FORMAT) == {"a": 1, "b": 2}

    def test_a_lone_item_and_none(self) -> None:
        assert _stock(b'<x><shop><item sku="a"><n>1</n></item></shop></x>', self.FORMAT) == {"a": 1}
        assert _stock(b"<x><shop><item/></shop></x>", self.FORMAT) == {}

    @pytest.mark.parametrize(
        "body",
        [
            b"<x>",
            b"",
            b'<!DOCTYPE x [<!ENTITY e "1">]><x><shop><item sku="a"><n>&e;</n></item></shop></x>',
        ],
    )
    def test_what_is_broken_or_brings_entities_is_refused(self, body: bytes) -> None:
        assert "not XML" in _problem(body, self.FORMAT)


class TestCsv:
    def test_rows_in_any_order_of_columns(self) -> None:
        body = b'price,quantity,name,product_id\r\n1.5,5,"A, or ""B""",a\r\n,0,,b\r\n'
        assert _read(body, CSV).reports == (_report("a", 5, 'A, or "B"'), _report("b", 0))

    def test_headings_of_the_vendors_own_in_any_case_and_a_date_a_row(self) -> None:
        feed_format = FeedFormat(kind="csv", product_id="sku", quantity="qty", as_of="at")
        body = b"SKU, Qty ,at\na,1,2026-01-02T00:00:00Z\nb,2,2026-01-01T00:00:00Z\n"
        snapshot = _read(body, feed_format)
        assert snapshot.reports == (
            attrs.evolve(_report("a", 1), as_of=LATER),
            attrs.evolve(_report("b", 2), as_of=NEW_YEAR),
        )
        assert (snapshot.as_of, snapshot.stated) == (None, False)

    def test_rows_that_all_have_one_date_have_the_date_of_the_whole(self) -> None:
        feed_format = FeedFormat(kind="csv", as_of="at")
        body = b"product_id,quantity,at\na,1,2026-01-01T00:00:00Z\nb,2,2026-01-01T01:00:00+01:00\n"
        snapshot = _read(body, feed_format, evidence=LATER)
        assert snapshot.reports == (_report("a", 1), _report("b", 2))
        assert (snapshot.as_of, snapshot.stated) == (NEW_YEAR, True)

    def test_a_sequence_that_the_row_has_counted(self) -> None:
        feed_format = FeedFormat(kind="csv", acked_through="seen")
        snapshot = _read(b"product_id,quantity,seen\na,1,7\nb,1,\nc,1,x\n", feed_format)
        assert [report.acked_through for report in snapshot.reports] == [7, None]
        [rejection] = snapshot.rejections
        assert str(rejection) == "line 4, seen: must be a whole number from 0 up, but is 'x'"

    def test_byte_order_mark_blank_lines_and_a_last_line_without_end(self) -> None:
        body = BOM + b"product_id,quantity\n\na,1\n ,\nb,2"
        assert _stock(body, CSV) == {"a": 1, "b": 2}

    def test_titles_above_the_headings(self) -> None:
        body = b"Stock list of Acme\nas of today,,\nproduct_id,quantity\na,1\n"
        assert _stock(body, CSV) == {"a": 1}

    def test_nothing_but_a_header_is_a_vendor_with_nothing(self) -> None:
        assert _read(b"product_id,name,quantity\n", CSV).reports == ()

    @pytest.mark.parametrize(
        "cell", ["1e3", "1_000", "1,000", "\u0663", "0x1", "1000000001", "9" * 9999, "one", "--1"]
    )
    def test_a_quantity_that_is_no_number_is_rejected(self, cell: str) -> None:
        body = f'product_id,quantity\na,1\nb,"{cell}"\n'.encode()
        [rejection] = _read(body, CSV).rejections
        assert str(rejection).startswith("line 3, quantity: must be ")

    @pytest.mark.parametrize(
        ("cell", "units"),
        [("1.0", 1), ("6.88", 6), ("-1", 0), ("+1", 1), (" 1 ", 1), (">5", 5), ("100+", 100)],
    )
    def test_a_quantity_as_people_write_it(self, cell: str, units: int) -> None:
        assert _stock(f"product_id,quantity\nb,{cell}\n".encode(), CSV) == {"b": units}

    def test_a_row_without_a_quantity_says_nothing(self) -> None:
        assert _stock(b"product_id,quantity\na,1\nb,\n", CSV) == {"a": 1}

    def test_rows_of_one_product_that_are_at_odds_are_both_left_out(self) -> None:
        snapshot = _read(b"product_id,quantity\na,1\nb,1\na,2\n", CSV)
        assert snapshot.reports == (_report("b", 1),)
        [rejection] = snapshot.rejections
        assert rejection.product_id == "a"
        assert "at odds with line 2" in str(rejection)

    @pytest.mark.parametrize(
        ("body", "problem"),
        [
            (b"", "header: must have a column 'product_id', but is []"),
            (b"product_id,name\n", "header: must have a column 'quantity', but is"),
            (b"<html>\n<body>\n", "header: must have a column 'product_id', but is ['<html>']"),
            (b"product_id,quantity,quantity\n", "header: must name 'quantity' once"),
            (b"product_id,quantity\na,1,2\n", "line 2, row: must have 2 cells, but has 3"),
            (b'product_id,quantity\na,1\n"b', "line 3: not CSV: unexpected end of data"),
            (b'product_id,quantity\n"a"x,1\n', "line 2: not CSV: "),
            (b"product_id,quantity\n,1\n", "line 2, product_id: must have 1 to 100 characters"),
            (b'product_id,quantity\n"a\nb",1\n', "line 3, product_id: must not contain control"),
            (b"product_id,quantity\n" + b"x" * 200_000 + b",1\n", "line 2: not CSV: field larger"),
        ],
    )
    def test_broken_documents(self, body: bytes, problem: str) -> None:
        assert _problem(body, CSV).startswith(problem)

    def test_a_promised_as_of_must_be_in_each_row(self) -> None:
        feed_format = FeedFormat(kind="csv", as_of="at")
        assert "column 'at'" in _problem(b"product_id,quantity\n", feed_format)
        body = b"product_id,quantity,at\na,1,2026-01-01T00:00:00Z\nb,1,\n"
        [rejection] = _read(body, feed_format).rejections
        assert str(rejection).startswith("line 3, at: must be a moment")

    def test_when_more_is_expected(self) -> None:
        feed_format = FeedFormat(kind="csv", expected_at="eta")
        body = (
            b"product_id,quantity,eta\na,1,2026-01-01T02:00:00+01:00\nb,1,2026-01-01\nc,1, \n"
            b"d,1,2026-01-01T01:00:00\ne,1,soon\n"
        )
        snapshot = _read(body, feed_format)
        end_of_day = NEW_YEAR + timedelta(hours=23, minutes=59, seconds=59)
        assert {report.product_id: report.expected_at for report in snapshot.reports} == {
            "a": NEW_YEAR + timedelta(hours=1),
            "b": end_of_day,
            "c": None,
        }
        problem = "eta: must be a date, or a moment in ISO 8601 with a UTC offset, but is"
        assert [str(rejection) for rejection in snapshot.rejections] == [
            f"line 5, {problem} '2026-01-01T01:00:00'",
            f"line 6, {problem} 'soon'",
        ]
        assert "column 'eta'" in _problem(b"product_id,quantity\n", feed_format)

    def test_a_day_ends_where_the_vendor_is(self) -> None:
        feed_format = FeedFormat(kind="csv", expected_at="eta", timezone=ZoneInfo("Asia/Tokyo"))
        body = b"product_id,quantity,eta\na,1,2026-01-01\nb,1,2026-01-01T09:00\n"
        snapshot = _read(body, feed_format)
        assert [report.expected_at for report in snapshot.reports] == [
            NEW_YEAR + timedelta(hours=14, minutes=59, seconds=59),
            NEW_YEAR,
        ]

    def test_of_rows_that_are_added_up_the_earliest_time_counts(self) -> None:
        feed_format = FeedFormat(kind="csv", expected_at="eta", sum_rows=True)
        body = (
            b"product_id,quantity,eta\na,1,2026-01-01T01:00:00Z\na,2,\na,3,2026-01-01T00:00:00Z\n"
        )
        [report] = _read(body, feed_format).reports
        assert (report.quantity, report.expected_at) == (6, NEW_YEAR)

    def test_a_change_without_a_time_leaves_what_is_expected(self) -> None:
        feed_format = FeedFormat(kind="csv", expected_at="eta", changes=True)
        reader = FeedReader(feed_format, VENDOR)
        with reader.read(BytesIO(b"product_id,quantity,eta\na,1,\nb,-1,2026-01-01T00:00:00Z\n")):
            pass
        assert reader.finish()
        report = reader.report(None, "")
        assert isinstance(report, StockUpdates)
        assert [update.expected_at for update in report.updates] == [UNSAID, NEW_YEAR]


class TestBadRows:
    """Some are left out; too many spoil the whole."""

    def _body(self, good: int, bad: int) -> bytes:
        rows = [f"g{number},1" for number in range(good)] + [f"b{n},?" for n in range(bad)]
        return "\n".join(["product_id,quantity", *rows]).encode()

    @pytest.mark.parametrize(("good", "bad"), [(1, 10), (99, 11), (0, 1), (50, 11)])
    @pytest.mark.parametrize("limit", [None, 0, 10, 100])
    def test_ten_or_a_tenth_unless_told_otherwise(
        self, good: int, bad: int, limit: int | None
    ) -> None:
        allowed = max(10, (good + bad) // 10) if limit is None else limit
        feed_format = attrs.evolve(CSV, max_bad_rows=limit)
        if bad <= allowed and good:
            assert len(_read(self._body(good, bad), feed_format).rejections) == bad
            return
        with pytest.raises(InvalidSnapshot) as caught:
            _read(self._body(good, bad), feed_format)
        assert len(caught.value.rejections) == bad
        assert caught.value.problem.count("must be a number") == bad

    def test_not_all_of_many_are_in_the_message(self) -> None:
        assert _problem(self._body(0, 30), CSV).endswith("; and 10 more")


class TestFormat:
    @pytest.mark.parametrize(
        ("kind", "fields", "field"),
        [
            ("xls", {}, "format"),
            (["json"], {}, "format"),
            ("json", {"product_id": None}, "product_id"),
            ("json", {"quantity": ""}, "quantity"),
            ("json", {"quantity": []}, "quantity"),
            ("json", {"as_of": 5}, "as_of"),
            ("csv", {"items": "rows"}, "items"),
            ("csv", {"next_page": "next"}, "next_page"),
        ],
    )
    def test_mistakes_name_the_field(self, kind: Any, fields: dict[str, Any], field: str) -> None:
        with pytest.raises(InvalidValue) as caught:
            FeedFormat(kind=kind, **fields)
        assert caught.value.field == field


class TestPages:
    FORMAT = FeedFormat(kind="json", items="rows", as_of="at")

    def _reader(self, *pages: tuple[list[str], str | None]) -> FeedReader:
        reader = FeedReader(attrs.evolve(self.FORMAT, as_of=None), VENDOR)
        if any(at for _, at in pages):
            reader = FeedReader(self.FORMAT, VENDOR)
        for number, (ids, at) in enumerate(pages, start=1):
            rows = [{"product_id": key, "quantity": number} for key in ids]
            page = json.dumps({"rows": rows, "at": at}).encode()
            with reader.read(BytesIO(page), f"page {number}, "):
                pass
        return reader

    def test_all_of_them_as_of_the_earliest(self) -> None:
        reader = self._reader(
            (["a"], "2026-01-02T00:00:00Z"), (["b"], "2026-01-01T00:00:00Z"), ([], "2026-01-03T00Z")
        )
        assert reader.finish()
        snapshot = whole(reader.report(None, ""))
        assert snapshot.reports == (_report("a", 1), _report("b", 2))
        assert (snapshot.as_of, snapshot.stated) == (NEW_YEAR, True)

    def test_as_of_the_evidence_where_they_say_nothing(self) -> None:
        reader = self._reader((["a"], None), (["b"], None))
        assert reader.finish()
        snapshot = whole(reader.report(NEW_YEAR, ""))
        assert (snapshot.as_of, snapshot.stated) == (NEW_YEAR, False)

    def test_a_product_on_two_of_them_shows_that_they_shifted(self) -> None:
        assert self._reader((["a"], None), (["a"], None)).finish() is False

    def test_unless_its_rows_are_to_be_added_up(self) -> None:
        reader = FeedReader(FeedFormat(kind="json", sum_rows=True), VENDOR)
        for _ in range(2):
            with reader.read(BytesIO(b'[{"product_id": "a", "quantity": 2.5}]')):
                pass
        assert reader.finish()
        assert whole(reader.report(None, "")).reports == (_report("a", 5),)


@given(st.binary(max_size=200), st.sampled_from([JSON, CSV, FeedFormat(kind="json", items="a.b")]))
def test_any_bytes_are_read_or_refused(body: bytes, feed_format: FeedFormat) -> None:
    with suppress(InvalidSnapshot):
        _read(body, feed_format)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["product_id", "name", "quantity", "x"]), inner, max_size=4
        )
    ),
)


@given(
    _json,
    st.sampled_from(
        [
            JSON,
            FeedFormat(kind="json", items="x", as_of="name"),
            FeedFormat(kind="json", product_id="$key", quantity="$value", sum_rows=True),
        ]
    ),
)
def test_any_json_is_read_or_refused(document: object, feed_format: FeedFormat) -> None:
    try:
        snapshot = _read(json.dumps(document).encode(), feed_format)
    except InvalidSnapshot:
        return
    assert all(type(report.quantity) is int and report.quantity >= 0 for report in snapshot.reports)

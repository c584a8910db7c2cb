"""What a feed says: from the bytes of a document to reports, and to what is wrong in it. No I/O."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs

from ...domain.errors import InvalidSnapshot, InvalidValue, Rejection
from ...domain.stock import Vendor
from ...domain.values import (
    MAX_NAME_LENGTH,
    MAX_QUANTITY,
    check_id,
    check_text,
    clean_id,
    sanitize,
)
from ...domain.vendor_sync import Snapshot, StockReport
from .quantities import Quantities, Units
from .records import (
    KEY,
    Document,
    Record,
    read_csv,
    read_json,
    read_ndjson,
    read_xml,
    show,
)
from .text import decode, unpack

# Of a whole feed, all its pages together.
MAX_BYTES = 64 * 1024 * 1024
TOO_LARGE = f"larger than {MAX_BYTES} bytes"
MAX_LINK_LENGTH = 4000
# So many rows may be bad, or a tenth of all if that is more.
MAX_BAD_ROWS = 10
MAX_BAD_SHARE = 10
# Of those that make a feed be refused, so many are told in its error.
TOLD_REJECTIONS = 20

KINDS = ("json", "csv", "ndjson", "xml")
# The last row of an export, where its quantity is the sum of all others.
_TOTALS = {"total", "totals", "grand total", "sum", "summe", "gesamt", "gesamtsumme", "totaal"}
# What spreadsheets do to a code that they take for a number, and how people guard it from that.
_DESTROYED = re.compile(r"[0-9](\.[0-9]+)?E\+[0-9]+")
_GUARDED = re.compile(r'="(.*)"|\'(.+)')

Values = Mapping[str, Sequence[str]]


def _place(_instance: object, attribute: Any, value: object) -> None:
    check_text(value, attribute.name)


def _place_if_any(_instance: object, attribute: Any, value: object) -> None:
    if value is not None:
        check_text(value, attribute.name)


def _places(_instance: object, attribute: Any, value: object) -> None:
    if not isinstance(value, tuple) or not value:
        raise InvalidValue(attribute.name, "must be a place, or a list of places to be added up")
    for place in value:
        check_text(place, attribute.name)


def _several(value: object) -> object:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


@attrs.frozen(kw_only=True)
class FeedFormat:
    """Where things stand in a vendor's feed, and how they are written.

    In JSON and XML a place is a key, or keys joined by dots; in CSV the heading of a column, or its
    number where there are no headings.
    """

    kind: Literal["json", "csv", "ndjson", "xml"] = attrs.field()
    product_id: str = attrs.field(default="product_id", validator=_place)
    # Optional in the feed: a product without a name bears its id.
    name: str = attrs.field(default="name", validator=_place)
    # Several are added up.
    quantity: tuple[str, ...] = attrs.field(
        default=("quantity",), converter=_several, validator=_places
    )
    # The list of products; None where the document itself is that list.
    items: str | None = attrs.field(default=None, validator=_place_if_any)
    # The vendor's own statement, of a row or of the whole; None where it makes none.
    as_of: str | None = attrs.field(default=None, validator=_place_if_any)
    # The `sequence` of the last of our allocations that a row has counted.
    acked_through: str | None = attrs.field(default=None, validator=_place_if_any)
    # The address of the next page, missing on the last; None where there is but one.
    next_page: str | None = attrs.field(default=None, validator=_place_if_any)
    # None: as the bytes look.
    encoding: str | None = None
    delimiter: str | None = None
    header: bool = True
    # Of dates without an offset.
    timezone: ZoneInfo | None = None
    quantities: Quantities = attrs.field(factory=Quantities, eq=False, repr=False)
    # The vendor's ids, and ours for them; what is not among them is left out. None: they are ours.
    ids: Mapping[str, str] | None = attrs.field(default=None, repr=False)
    # Rows that have none of these values at a place are not the vendor's stock.
    where: Values = attrs.field(factory=dict)
    # Rows that have none of these can not be sold now: they count 0.
    sellable_when: Values = attrs.field(factory=dict)
    # Whether a product may have several rows, which are added up.
    sum_rows: bool = False
    # None: see MAX_BAD_ROWS.
    max_bad_rows: int | None = None

    @kind.validator
    def _known_kind(self, _attribute: object, kind: object) -> None:
        if kind not in KINDS:
            raise InvalidValue("format", f"must be {', '.join(map(repr, KINDS[:-1]))} or 'xml'")

    def __attrs_post_init__(self) -> None:
        for field in ("items", "next_page"):
            if self.kind in ("csv", "ndjson") and getattr(self, field) is not None:
                raise InvalidValue(field, f"means nothing in a feed of {self.kind.upper()}")

    @property
    def wanted(self) -> list[str]:
        """The columns without which a CSV feed cannot be read."""
        places = [self.product_id, *self.quantity, *self.where, *self.sellable_when]
        return [*places, *filter(None, (self.as_of, self.acked_through))]


@attrs.frozen(kw_only=True)
class PageRead:
    """A document that was read: how many rows it had, and what it says as a whole."""

    rows: int
    next_page: str | None
    look_up: Callable[[str], list[Any]]


class FeedReader:
    """Reads the documents of a feed, one after the other, and makes one snapshot of them.

    Rows that cannot be understood are left out, and rejected; too many of them spoil the whole.
    """

    def __init__(self, feed_format: FeedFormat, vendor: Vendor) -> None:
        self._format = feed_format
        self._vendor = vendor
        self._rows = _Rows(feed_format)
        self._dates: list[datetime | None] = []
        self._findings: Counter[str] = Counter()
        # Whether pages have changed while they were read.
        self.shifted = False

    @property
    def rows(self) -> int:
        """How many rows there were so far, bad ones too."""
        return self._rows.count

    def read(self, body: bytes, place: str = "") -> PageRead:
        """One document.

        InvalidSnapshot, which begins with `place`, where it is none at all.
        """
        try:
            text, encoding = decode(unpack(body, MAX_BYTES), self._format.encoding)
            document = _READERS[self._format.kind](text, self._format)
            self._rows.begin_page(place)
            before = self.rows
            for record in document.records:
                self._rows.take(record)
            self.shifted = self.shifted or self._rows.shifted
            self._dates.append(self._date(document))
            next_page = _next_page(document, self._format)
        except InvalidValue as error:
            raise InvalidSnapshot(self._vendor.id, f"{place}{error}") from error
        except RecursionError as error:
            raise InvalidSnapshot(self._vendor.id, f"{place}nested too deeply") from error
        if encoding not in ("utf-8", self._format.encoding):
            self._findings[f"encoding {encoding}"] += 1
        self._findings.update(document.findings)
        return PageRead(rows=self.rows - before, next_page=next_page, look_up=document.look_up)

    def snapshot(self, evidence: datetime | None) -> Snapshot:
        """What all documents say: as of the earliest, where each has a date, else as of `evidence`.

        InvalidSnapshot where too many rows are bad.
        """
        self._refuse_many()
        reports = self._rows.reports()
        stated = [date for date in self._dates if date is not None]
        dates = {report.as_of for report in reports}
        if len(stated) == len(self._dates) > 0:
            as_of, is_stated = min(stated), True
        elif len(dates) == 1 and (date := dates.pop()) is not None:
            # Each row has the date of the whole.
            as_of, is_stated = date, True
            reports = [attrs.evolve(report, as_of=None) for report in reports]
        else:
            return self._snapshot(reports, evidence, stated=False)
        return self._snapshot(reports, as_of, stated=is_stated)

    def findings(self) -> list[str]:
        """How the feed was understood, for people."""
        return [*self._findings, *self._rows.findings()]

    def _snapshot(
        self, reports: Iterable[StockReport], as_of: datetime | None, *, stated: bool
    ) -> Snapshot:
        return Snapshot(
            vendor=self._vendor,
            as_of=as_of,
            stated=stated,
            reports=tuple(reports),
            rejections=tuple(self._rows.rejections),
            findings=tuple(self.findings()),
        )

    def _date(self, document: Document) -> datetime | None:
        """What the document says that it is of, as a whole."""
        place = self._format.as_of
        if place is None or self._format.kind not in ("json", "xml"):
            return None
        stated = next(iter(document.look_up(place)), None)
        if stated is None and self._rows.are_dated:
            return None
        return _moment(stated, place, self._format.timezone)

    def _refuse_many(self) -> None:
        rejections, rows = self._rows.rejections, self._rows.count
        allowed = self._format.max_bad_rows
        if allowed is None:
            allowed = max(MAX_BAD_ROWS, rows * MAX_BAD_SHARE // 100)
        # Those that are not mapped may be many, and are well written.
        bad, rows = len(rejections) - self._rows.unmapped, rows - self._rows.unmapped
        if not bad or (bad <= allowed and bad < rows):
            return
        told = "; ".join(map(str, rejections[:TOLD_REJECTIONS]))
        more = f"; and {bad - TOLD_REJECTIONS} more" if bad > TOLD_REJECTIONS else ""
        problem = told if bad == 1 else f"{bad} of {rows} rows are bad: {told}{more}"
        raise InvalidSnapshot(self._vendor.id, problem, rejections)


def _next_page(document: Document, feed_format: FeedFormat) -> str | None:
    if feed_format.next_page is None:
        return None
    link = next(iter(document.look_up(feed_format.next_page)), None)
    if link is None or link == "":
        return None
    check_text(link, feed_format.next_page, MAX_LINK_LENGTH)
    return str(link)


@attrs.define
class _Row:
    """A product's stock, of one row or of several."""

    page: str
    number: int
    units: Units
    name: str | None
    as_of: datetime | None
    acked_through: int | None


class _Rows:
    """Takes rows, one after the other, and makes a report for each product of them."""

    def __init__(self, feed_format: FeedFormat) -> None:
        self._format = feed_format
        self._rows: dict[str, _Row] = {}
        self._at_odds: set[str] = set()
        self._counts: Counter[str] = Counter()
        self._last: str | None = None
        self._page = ""
        self.count = 0
        self.unmapped = 0
        self.rejections: list[Rejection] = []
        self.shifted = False
        # Whether a row has a date of its own.
        self.are_dated = False

    def begin_page(self, place: str) -> None:
        """What is taken from now on stands there."""
        self._page = place

    def take(self, record: Record) -> None:
        """One more row."""
        self.count += 1
        product_id = None
        try:
            if self._format.where and not self._is_among(record, self._format.where):
                self._counts["rows that are not this vendor's stock"] += 1
                return
            product_id = self._product_id(record)
            row = self._row(record)
            if row is not None:
                self._add(product_id, row, record)
        except InvalidValue as error:
            rejection = Rejection(
                place=f"{self._page}{record.place}",
                product_id=product_id,
                field=error.field,
                reason=error.expected,
            )
            self.rejections.append(rejection)

    def reports(self) -> list[StockReport]:
        """A report for each product that was understood."""
        self._drop_total()
        return [
            StockReport(
                product_id=product_id,
                name=row.name,
                quantity=max(0, min(int(row.units), MAX_QUANTITY)),
                as_of=row.as_of,
                acked_through=row.acked_through,
            )
            for product_id, row in self._rows.items()
            if product_id not in self._at_odds
        ]

    def findings(self) -> list[str]:
        """What may be worth knowing."""
        return [f"{count} {what}" for what, count in self._counts.items()]

    def _is_among(self, record: Record, values: Values) -> bool:
        return all(
            any(_text(value) in wanted for value in record.look_up(place))
            for place, wanted in values.items()
        )

    def _product_id(self, record: Record) -> str:
        place = self._format.product_id
        value = record.first(place)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, str) and (guarded := _GUARDED.fullmatch(value.strip())):
            value = guarded[1] or guarded[2]
        cleaned = clean_id(value.strip() if isinstance(value, str) else value)
        try:
            check_id(cleaned, place)
        except InvalidValue as error:
            raise _bad(place, error.expected, value) from error
        if _DESTROYED.fullmatch(cleaned):
            raise _bad(place, "must be a code, not what a spreadsheet has made of it", value)
        if self._format.ids is None:
            return str(cleaned)
        if cleaned not in self._format.ids:
            self.unmapped += 1
            raise _bad(place, "is not among the ids that are mapped", cleaned)
        return self._format.ids[cleaned]

    def _row(self, record: Record) -> _Row | None:
        """None where no quantity is said."""
        units = self._units(record)
        if units is None:
            self._counts["rows without a quantity"] += 1
            return None
        if units < 0:
            self._counts["quantities below 0, taken for 0"] += 1
        sellable = self._format.sellable_when
        if sellable and not self._is_among(record, sellable):
            units = 0
            self._counts["rows that cannot be sold now"] += 1
        as_of = None
        if self._format.as_of is not None:
            as_of = self._as_of(record, self._format.as_of)
        return _Row(
            self._page, record.number, units, self._name(record), as_of, self._acked_through(record)
        )

    def _units(self, record: Record) -> Units | None:
        parts = []
        for place in self._format.quantity:
            for value in record.look_up(place):
                try:
                    parts.append(self._format.quantities.read(value))
                except InvalidValue as error:
                    raise _bad(place, error.expected, value) from error
        said = [part for part in parts if part is not None]
        if not parts and self._format.kind != "csv":
            raise _bad(self._format.quantity[0], "must be a number of units", None)
        return sum(said) if said else None

    def _name(self, record: Record) -> str | None:
        value = record.first(self._format.name)
        text = sanitize(str(value).strip()) if isinstance(value, str | int) else ""
        return text[:MAX_NAME_LENGTH] or None

    def _as_of(self, record: Record, place: str) -> datetime | None:
        value = next(iter(record.own(place)), None)
        if value is None and self._format.kind != "csv":
            # It may stand in the document.
            return None
        self.are_dated = True
        return _moment(value, place, self._format.timezone)

    def _acked_through(self, record: Record) -> int | None:
        place = self._format.acked_through
        value = None if place is None else record.first(place)
        if place is None or value in (None, ""):
            return None
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value.strip()):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63:
            raise _bad(place, "must be a whole number from 0 up", value)
        return value

    def _add(self, product_id: str, row: _Row, record: Record) -> None:
        self._last = product_id
        earlier = self._rows.get(product_id)
        if earlier is None:
            self._rows[product_id] = row
        elif self._format.sum_rows:
            self._rows[product_id] = _added(earlier, row)
        elif earlier.page != row.page:
            self.shifted = True
        elif earlier.units == row.units:
            self._counts["rows that say again what another said"] += 1
        else:
            self._at_odds.add(product_id)
            raise _bad(
                self._format.quantity[0],
                f"is at odds with {record.unit} {earlier.number}, which has the same product",
                str(row.units),
            )

    def _drop_total(self) -> None:
        """The last row may be the sum of all others."""
        if self._last is None or self._last.casefold() not in _TOTALS:
            return
        others = sum(row.units for key, row in self._rows.items() if key != self._last)
        if self._rows[self._last].units == others:
            del self._rows[self._last]
            self._counts["line with the total"] += 1


def _bad(field: str, expected: str, value: object) -> InvalidValue:
    return InvalidValue(field, f"{expected}, but is {show(value)}")


def _added(one: _Row, other: _Row) -> _Row:
    dates = [row.as_of for row in (one, other) if row.as_of is not None]
    acked = [row.acked_through for row in (one, other) if row.acked_through is not None]
    return _Row(
        one.page,
        one.number,
        max(one.units, 0) + max(other.units, 0),
        one.name or other.name,
        min(dates, default=None),
        min(acked, default=None),
    )


def _text(value: object) -> str:
    """As it is compared with what the vendors file says."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).strip()


def _moment(value: object, place: str, timezone: ZoneInfo | None) -> datetime:
    zone = "" if timezone else " with a UTC offset"
    expected = f"must be a moment in ISO 8601{zone}, but is {show(value)}"
    try:
        timestamp = datetime.fromisoformat(value.strip()) if isinstance(value, str) else None
        if timestamp is not None and timestamp.tzinfo is None and timezone is not None:
            timestamp = timestamp.replace(tzinfo=timezone)
        if timestamp is None or timestamp.tzinfo is None:
            raise InvalidValue(place, expected)
        return timestamp.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidValue(place, expected) from error


def _is_keyed(feed_format: FeedFormat) -> bool:
    return feed_format.product_id == KEY


_READERS: Mapping[str, Callable[[str, FeedFormat], Document]] = {
    "json": lambda text, form: read_json(text, form.items, keyed=_is_keyed(form)),
    "ndjson": lambda text, _form: read_ndjson(text),
    "xml": lambda text, form: read_xml(text, form.items, keyed=_is_keyed(form)),
    "csv": lambda text, form: read_csv(
        text, form.wanted, delimiter=form.delimiter, header=form.header
    ),
}


def zone_named(name: object) -> ZoneInfo:
    """A time zone of the IANA database; raises InvalidValue."""
    try:
        if isinstance(name, str):
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    raise InvalidValue("timezone", 'must be the name of a time zone, such as "Europe/Berlin"')


def values_at(told: object, field: str) -> Values:
    """A setting like `{"status": ["1", "2"]}`; raises InvalidValue."""
    if not isinstance(told, dict):
        raise InvalidValue(field, "must be an object of places and the values that count there")
    found = {}
    for place, values in told.items():
        check_text(place, field)
        each: Iterable[object] = values if isinstance(values, list) else [values]
        found[place] = tuple(_text(value) for value in each)
        if not found[place]:
            raise InvalidValue(f"{field}.{place}", "must have a value at least")
    return found


def words_told(told: object) -> dict[str, int]:
    """A setting like `{"in stock": 1}`; raises InvalidValue."""
    if not isinstance(told, dict):
        raise InvalidValue("words", "must be an object of words and the units they stand for")
    for word, units in told.items():
        if not isinstance(units, int) or isinstance(units, bool) or units < 0:
            raise InvalidValue(f"words.{word}", "must be a whole number of units")
    return told

"""The rows of a feed: what each says of which product, and what is wrong with it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, tzinfo
from operator import itemgetter
from typing import TYPE_CHECKING

import attrs

from ...domain.errors import InvalidValue, Rejection
from ...domain.stock_updates import UNSAID, StockUpdate
from ...domain.values import MAX_NAME_LENGTH, MAX_QUANTITY, check_id, clean_id, sanitize
from ...domain.vendor_sync import StockReport
from .quantities import Units
from .records import Record, show
from .row_spool import Row, RowSpool

if TYPE_CHECKING:
    from .feed import FeedFormat, Values

# Of more rows the reports are not kept in memory.
IN_MEMORY = 10_000
# So many of the rows whose ids are not mapped are told; the others are counted.
TOLD_UNMAPPED = 1000

# The last row of an export, where its quantity is the sum of all others.
_TOTALS = {"total", "totals", "grand total", "sum", "summe", "gesamt", "gesamtsumme", "totaal"}
# What spreadsheets do to a code that they take for a number, and how people guard it from that.
_DESTROYED = re.compile(r"[0-9](\.[0-9]+)?E\+[0-9]+")
_GUARDED = re.compile(r'="(.*)"|\'(.+)')


class FeedRows:
    """Takes rows, one after the other, and makes a report for each product of them."""

    def __init__(self, feed_format: FeedFormat) -> None:
        self._format = feed_format
        self._spool = RowSpool()
        self._counts: Counter[str] = Counter()
        self._last: Row | None = None
        self._page = ""
        # By the number of the row among all.
        self._rejections: list[tuple[int, Rejection]] = []
        self.count = 0
        self.before_page = 0
        self.unmapped = 0
        # Whether a product stands on two pages.
        self.shifted = False
        # Whether a row has a date of its own.
        self.are_dated = False

    def begin_page(self, place: str) -> None:
        """What is taken from now on stands there."""
        self._page = place
        self.before_page = self.count

    def take(self, record: Record) -> None:
        """One more row."""
        self.count += 1
        product_id = None
        try:
            if self._format.where and not self._is_among(record, self._format.where):
                self._counts["rows that are not this vendor's stock"] += 1
                return
            product_id = self._product_id(record)
            row = self._row(record, product_id)
            if row is not None:
                self._last = row
                self._spool.add(row)
        except InvalidValue as error:
            self._reject(f"{self._page}{record.place}", product_id, error, self.count)

    def finish(self) -> None:
        """All rows are there: make one of those that are of one product."""
        self._spool.merge(self._merged)
        self._drop_total()
        self._rejections.sort(key=itemgetter(0))

    def only_date(self) -> datetime | None:
        """The date of all rows, where they have the same; then none has one of its own any more."""
        date = self._spool.only_date()
        if date is not None:
            self._spool.forget_dates()
        return date

    def reports(self) -> Collection[StockReport]:
        """A report for each product that was understood."""
        if len(self._spool) > IN_MEMORY:
            return self._spool
        return tuple(self._spool.reports())

    def updates(self) -> tuple[StockUpdate, ...]:
        """A change for each product, where quantities are changes."""
        return tuple(
            StockUpdate(
                product_id=row.product_id,
                name=row.name,
                change=max(-MAX_QUANTITY, min(int(row.units), MAX_QUANTITY)),
                as_of=row.as_of,
                acked_through=row.acked_through,
                expected_at=UNSAID if row.expected_at is None else row.expected_at,
            )
            for row in self._spool.rows()
        )

    @property
    def units(self) -> int:
        """What all reports come to."""
        return self._spool.quantity

    @property
    def rejections(self) -> list[Rejection]:
        """What is wrong with the rows that are left out, in their order."""
        return [rejection for _, rejection in self._rejections]

    def findings(self) -> list[str]:
        """What may be worth knowing."""
        return [f"{count} {what}" for what, count in self._counts.items()]

    def _reject(
        self, place: str, product_id: str | None, error: InvalidValue, sequence: int
    ) -> None:
        if isinstance(error, _Unmapped):
            self.unmapped += 1
            if self.unmapped > TOLD_UNMAPPED:
                return
        rejection = Rejection(
            place=place, product_id=product_id, field=error.field, reason=error.expected
        )
        self._rejections.append((sequence, rejection))

    def _is_among(self, record: Record, values: Values) -> bool:
        return all(
            any(value_text(value) in wanted for value in record.look_up(place))
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
            raise _Unmapped(place, f"is not among the ids that are mapped, but is {show(cleaned)}")
        return self._format.ids[cleaned]

    def _row(self, record: Record, product_id: str) -> Row | None:
        """None where no quantity is said."""
        units = self._units(record)
        if units is None:
            self._counts["rows without a quantity"] += 1
            return None
        if units < 0 and not self._format.changes:
            self._counts["quantities below 0, taken for 0"] += 1
        sellable = self._format.sellable_when
        if sellable and not self._is_among(record, sellable):
            units = 0
            self._counts["rows that cannot be sold now"] += 1
        as_of = None
        if self._format.as_of is not None:
            as_of = self._as_of(record, self._format.as_of)
        return Row(
            self.count,
            product_id,
            self._page,
            record.number,
            record.unit,
            units,
            self._name(record),
            as_of,
            self._acked_through(record),
            self._expected_at(record),
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
        return moment(value, place, self._format.timezone)

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

    def _expected_at(self, record: Record) -> datetime | None:
        place = self._format.expected_at
        value = None if place is None else record.first(place)
        if place is None or value is None or (isinstance(value, str) and not value.strip()):
            return None
        return day_or_moment(value, place, self._format.timezone)

    def _merged(self, rows: Sequence[Row]) -> Row | None:
        """One row for several of the same product; None where they are at odds."""
        first, *others = rows
        if self._format.sum_rows or self._format.changes:
            for other in others:
                first = _added(first, other, least=None if self._format.changes else 0)
            return first
        at_odds = False
        for other in others:
            if other.page != first.page:
                self.shifted = True
            elif other.units == first.units:
                self._counts["rows that say again what another said"] += 1
            else:
                at_odds = True
                error = _bad(
                    self._format.quantity[0],
                    f"is at odds with {first.unit} {first.number}, which has the same product",
                    str(other.units),
                )
                place = f"{other.page}{other.unit} {other.number}"
                self._reject(place, other.product_id, error, other.sequence)
        return None if at_odds else first

    def _drop_total(self) -> None:
        """The last row may be the sum of all others."""
        last = self._last
        if last is None or last.product_id.casefold() not in _TOTALS:
            return
        others = (row for row in self._spool.rows() if row.product_id != last.product_id)
        if last.units == sum(row.units for row in others):
            self._spool.remove(last.product_id)
            self._counts["line with the total"] += 1


class _Unmapped(InvalidValue):
    """An id that is well written, but nobody's of ours."""


def _bad(field: str, expected: str, value: object) -> InvalidValue:
    return InvalidValue(field, f"{expected}, but is {show(value)}")


def _added(one: Row, other: Row, least: int | None) -> Row:
    """Two rows as one. Of each no less than `least` counts."""
    dates = [row.as_of for row in (one, other) if row.as_of is not None]
    acked = [row.acked_through for row in (one, other) if row.acked_through is not None]
    expected = [row.expected_at for row in (one, other) if row.expected_at is not None]
    return attrs.evolve(
        one,
        units=sum(row.units if least is None else max(row.units, least) for row in (one, other)),
        name=one.name or other.name,
        as_of=min(dates, default=None),
        acked_through=min(acked, default=None),
        expected_at=min(expected, default=None),
    )


def value_text(value: object) -> str:
    """A value as it is compared with what the vendors file says."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value).strip()


def day_or_moment(value: object, place: str, timezone: tzinfo | None) -> datetime:
    """A moment in ISO 8601, or a day, which means its last second; raises InvalidValue."""
    try:
        day = date.fromisoformat(value.strip()) if isinstance(value, str) else None
    except ValueError:
        day = None
    if day is None:
        return moment(value, place, timezone, "a date, or a moment")
    return moment(f"{day}T23:59:59", place, timezone or UTC)


def moment(value: object, place: str, timezone: tzinfo | None, what: str = "a moment") -> datetime:
    """A moment in ISO 8601; raises InvalidValue."""
    zone = "" if timezone else " with a UTC offset"
    expected = f"must be {what} in ISO 8601{zone}, but is {show(value)}"
    try:
        timestamp = datetime.fromisoformat(value.strip()) if isinstance(value, str) else None
        if timestamp is not None and timestamp.tzinfo is None and timezone is not None:
            timestamp = timestamp.replace(tzinfo=timezone)
        if timestamp is None or timestamp.tzinfo is None:
            raise InvalidValue(place, expected)
        return timestamp.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidValue(place, expected) from error

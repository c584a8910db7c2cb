"""The rows of a feed, however many: in a temporary database of SQLite, which spills to the disk."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from typing import Any

import attrs

from ...domain.values import MAX_QUANTITY
from ...domain.vendor_sync import StockReport
from .quantities import Units

_BATCH = 1000
_COLUMNS = (
    "sequence, product_id, page, number, unit, units, quantity, name, as_of, acked_through,"
    " expected_at"
)
_REPORTED = "product_id, name, quantity, as_of, acked_through, expected_at"
_REPORTS = f"SELECT {_REPORTED} FROM rows ORDER BY "  # noqa: S608
_TWICE = "SELECT product_id FROM rows GROUP BY product_id HAVING count(*) > 1"
_INSERT = f"INSERT INTO rows ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608


@attrs.frozen
class Row:
    """What one row says of a product."""

    # Of all rows of the feed.
    sequence: int
    product_id: str
    page: str
    number: int
    unit: str
    units: Units
    name: str | None
    as_of: datetime | None
    acked_through: int | None
    expected_at: datetime | None

    @property
    def quantity(self) -> int:
        """Whole units that can be sold."""
        return max(0, min(int(self.units), MAX_QUANTITY))


class RowSpool:
    """Keeps rows, and gives them by product. For one thread at a time."""

    def __init__(self) -> None:
        # A nameless database is a temporary file, which is written once its cache is full.
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.executescript(
            f"""
            PRAGMA journal_mode = off;
            PRAGMA synchronous = off;
            CREATE TABLE rows ({_COLUMNS});
            """
        )
        self._waiting: list[tuple[Any, ...]] = []

    def add(self, row: Row) -> None:
        """One more."""
        self._waiting.append(_to_columns(row))
        if len(self._waiting) == _BATCH:
            self._flush()

    def remove(self, product_id: str) -> None:
        """No row of it any more."""
        self._db.execute("DELETE FROM rows WHERE product_id = ?", (product_id,))

    def merge(self, merged: Callable[[Sequence[Row]], Row | None]) -> None:
        """All rows are here: make one, or none, of those that are of one product."""
        self._flush()
        self._db.execute("CREATE INDEX by_product ON rows (product_id, sequence)")
        if self._db.execute(f"{_TWICE} LIMIT 1").fetchone() is None:
            return
        self._db.execute("CREATE TABLE merged AS SELECT * FROM rows WHERE 0")
        rows = (row for group in self._repeated() if (row := merged(group)) is not None)
        self._db.executemany(_INSERT.replace("rows", "merged"), map(_to_columns, rows))
        self._db.execute(f"DELETE FROM rows WHERE product_id IN ({_TWICE})")  # noqa: S608
        self._db.execute("INSERT INTO rows SELECT * FROM merged")
        self._db.execute("DROP TABLE merged")

    def _repeated(self) -> Iterator[list[Row]]:
        """The rows of each product that has several, in their order."""
        rows = self._select(
            f"SELECT {_COLUMNS} FROM rows WHERE product_id IN ({_TWICE})"  # noqa: S608
            " ORDER BY product_id, sequence"
        )
        for _, group in groupby(rows, key=attrgetter("product_id")):
            yield [*group]

    def only_date(self) -> datetime | None:
        """The date that all rows have; None where one has none, or they differ."""
        dates = self._db.execute("SELECT DISTINCT as_of FROM rows LIMIT 2").fetchall()
        return _moment(dates[0][0]) if len(dates) == 1 else None

    def forget_dates(self) -> None:
        """No row has one."""
        self._db.execute("UPDATE rows SET as_of = NULL")

    def rows(self) -> Iterator[Row]:
        """All of them, in their order."""
        return self._select(f"SELECT {_COLUMNS} FROM rows ORDER BY sequence")  # noqa: S608

    def reports(self) -> Iterator[StockReport]:
        """The same, as the domain is told, once each product has one row."""
        return self._reports("sequence")

    def _flush(self) -> None:
        self._db.executemany(_INSERT, self._waiting)
        self._waiting.clear()

    def _select(self, query: str) -> Iterator[Row]:
        return map(_from_columns, self._db.execute(query))

    def _reports(self, order: str) -> Iterator[StockReport]:
        rows = self._db.execute(_REPORTS + order)
        for product_id, name, quantity, as_of, acked_through, expected_at in rows:
            yield StockReport(
                product_id=product_id,
                name=name,
                quantity=quantity,
                as_of=_moment(as_of),
                acked_through=acked_through,
                expected_at=_moment(expected_at),
            )

    # A collection of reports, by product.

    def __len__(self) -> int:
        [(count,)] = self._db.execute("SELECT count(*) FROM rows")
        return int(count)

    @property
    def quantity(self) -> int:
        """What all rows come to."""
        [(units,)] = self._db.execute("SELECT coalesce(sum(quantity), 0) FROM rows")
        return int(units)

    def __iter__(self) -> Iterator[StockReport]:
        return self._reports("product_id")

    def __contains__(self, report: object) -> bool:
        return any(report == each for each in self)


def _to_columns(row: Row) -> tuple[Any, ...]:
    return (
        row.sequence,
        row.product_id,
        row.page,
        row.number,
        row.unit,
        row.units if isinstance(row.units, int) and abs(row.units) < 2**63 else str(row.units),
        row.quantity,
        row.name,
        None if row.as_of is None else row.as_of.isoformat(),
        row.acked_through,
        None if row.expected_at is None else row.expected_at.isoformat(),
    )


def _from_columns(columns: Sequence[Any]) -> Row:
    sequence, product_id, page, number, unit, units, _, name, as_of, *more = columns
    acked_through, expected_at = more
    return Row(
        sequence,
        product_id,
        page,
        number,
        unit,
        units if isinstance(units, int) else Decimal(units),
        name,
        _moment(as_of),
        acked_through,
        _moment(expected_at),
    )


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)

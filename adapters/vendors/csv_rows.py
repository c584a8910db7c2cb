"""The rows of a CSV feed. No I/O but reading the document."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from ...domain.errors import InvalidValue
from .records import Document, Record, show
from .text import Source

DELIMITERS = ",;\t|~"
# A title may stand above the headings.
HEADINGS_WITHIN = 20
# Behind the last column.
NOWHERE = 1_000_000


def read_csv(
    source: Source, wanted: Sequence[str], *, delimiter: str | None, header: bool
) -> Document:
    """Rows of cells by heading, in whatever case, or by the number of the column without one.

    The headings are the first line that has all that are `wanted`; InvalidValue without.
    """
    lines = source.lines()
    first = [*islice(lines, HEADINGS_WITHIN + 1)]
    skipped = 0
    if first and first[0].startswith("sep="):
        delimiter, skipped = first.pop(0)[4:].strip("\r\n"), 1
    given = delimiter
    delimiter = delimiter or _sniffed(first[:HEADINGS_WITHIN], wanted, header=header)
    rows = _rows(chain(first, lines), delimiter, skipped)
    findings = () if given else (f"delimiter {delimiter!r}",)
    if not header:
        return Document(records=_numbered(rows), findings=findings)
    columns, width = _columns(rows, wanted)
    return Document(records=_headed(rows, columns, width), findings=findings)


def _sniffed(lines: Sequence[str], wanted: Sequence[str], *, header: bool) -> str:
    """The delimiter by which the first lines have most of the headings, else most cells."""
    folded = [_heading(name) for name in wanted]

    def fits(delimiter: str) -> tuple[int, int]:
        try:
            rows = list(csv.reader(lines, delimiter=delimiter))
        except csv.Error:
            # It is told when the rows are read.
            return 0, 0
        if not header:
            return (min((len(row) for row in rows if row), default=0), 0)
        return max(
            ((sum(name in map(_heading, row) for name in folded), len(row)) for row in rows),
            default=(0, 0),
        )

    return max(DELIMITERS, key=fits)


def _rows(lines: Iterator[str], delimiter: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not blank, with the number of the line it ends on."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            line = reader.line_num + skipped
            raise InvalidValue(f"line {line}", f"not CSV: {error}") from error
        if any(cell.strip() for cell in row):
            yield reader.line_num + skipped, row


def _heading(cell: str) -> str:
    return " ".join(cell.split()).casefold()


def _columns(rows: Iterator[tuple[int, list[str]]], wanted: Sequence[str]) -> tuple[_Columns, int]:
    """At which index each heading stands, and how many columns there are."""
    first: list[str] | None = None
    for _, (_, row) in zip(range(HEADINGS_WITHIN), rows, strict=False):
        first = first if first is not None else row
        headings = [_heading(cell) for cell in row]
        if all(_heading(name) in headings for name in wanted):
            twice = [name for name in wanted if headings.count(_heading(name)) > 1]
            if twice:
                raise InvalidValue("header", f"must name {twice[0]!r} once")
            last = max((index for index, name in enumerate(headings) if name), default=-1)
            return _Columns({name: i for i, name in enumerate(headings) if name}), last + 1
    have = {_heading(cell) for cell in first or []}
    lacking = next((name for name in wanted if _heading(name) not in have), wanted[0])
    raise InvalidValue("header", f"must have a column {lacking!r}, but is {show(first or [])}")


def _headed(
    rows: Iterator[tuple[int, list[str]]], columns: _Columns, width: int
) -> Iterator[Record]:
    for line, row in rows:
        if row[0].startswith("#") and not any(row[1:]):
            continue
        if any(cell.strip() for cell in row[width:]):
            # Perhaps a delimiter within a cell: then what follows has slid into other columns.
            look_up = _misfit(len(row), width)
        else:
            look_up = _cells(row, columns)
        yield Record("line", line, look_up, look_up)


class _Columns(dict[str, int]):
    """At which index a place stands, however it is written; far behind the last where it does not.

    Each is worked out once for all rows.
    """

    def __missing__(self, place: str) -> int:
        self[place] = self._find(place)
        return self[place]

    def _find(self, place: str) -> int:
        return self.get(_heading(place), NOWHERE)


class _NumberedColumns(_Columns):
    """Places are numbers, from 1."""

    def _find(self, place: str) -> int:
        return int(place) - 1 if place.isdecimal() and int(place) > 0 else NOWHERE


def _cells(row: list[str], columns: _Columns) -> Callable[[str], list[Any]]:
    def look_up(path: str) -> list[Any]:
        index = columns[path]
        return [row[index]] if index < len(row) else []

    return look_up


def _misfit(cells: int, width: int) -> Callable[[str], list[Any]]:
    def look_up(_path: str) -> list[Any]:
        raise InvalidValue("row", f"must have {width} cells, but has {cells}")

    return look_up


def _numbered(rows: Iterator[tuple[int, list[str]]]) -> Iterator[Record]:
    columns = _NumberedColumns()
    for line, row in rows:
        look_up = _cells(row, columns)
        yield Record("line", line, look_up, look_up)

"""What a feed says: from the bytes of JSON or CSV to a snapshot, whole or not at all. No I/O."""

from __future__ import annotations

import csv
import io
import json
import re
import reprlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NoReturn

import attrs

from ...domain.errors import InvalidSnapshot, InvalidValue
from ...domain.stock import Vendor
from ...domain.values import check_text
from ...domain.vendor_sync import Snapshot, StockReport

# Of a whole feed, all its pages together.
MAX_BYTES = 64 * 1024 * 1024
TOO_LARGE = f"larger than {MAX_BYTES} bytes"
MAX_LINK_LENGTH = 4000

_DIGITS = re.compile(r"[0-9]{1,20}")


def _place(_instance: object, attribute: Any, value: str) -> None:
    check_text(value, attribute.name)


def _place_if_any(_instance: object, attribute: Any, value: str | None) -> None:
    if value is not None:
        check_text(value, attribute.name)


@attrs.frozen(kw_only=True)
class FeedFormat:
    """Where things stand in a vendor's feed, in UTF-8.

    In JSON each is a key, or keys joined by dots; in CSV the heading of a column, and `items` and
    `next_page` mean nothing.
    """

    kind: Literal["json", "csv"] = attrs.field()
    product_id: str = attrs.field(default="product_id", validator=_place)
    # Optional in the feed: a product without a name bears its id.
    name: str = attrs.field(default="name", validator=_place)
    quantity: str = attrs.field(default="quantity", validator=_place)
    # The list of products; None where the document itself is that list.
    items: str | None = attrs.field(default=None, validator=_place_if_any)
    # The vendor's own statement, in ISO 8601 with a UTC offset; None where it makes none.
    as_of: str | None = attrs.field(default=None, validator=_place_if_any)
    # The address of the next page, missing on the last; None where there is but one.
    next_page: str | None = attrs.field(default=None, validator=_place_if_any)

    @kind.validator
    def _known_kind(self, _attribute: object, kind: object) -> None:
        if kind not in ("json", "csv"):
            raise InvalidValue("format", 'must be "json" or "csv"')

    def __attrs_post_init__(self) -> None:
        for field in ("items", "next_page"):
            if self.kind == "csv" and getattr(self, field) is not None:
                raise InvalidValue(field, "means nothing in a CSV feed")


@attrs.frozen(kw_only=True)
class Page:
    """One document of a feed; for most vendors the only one."""

    reports: tuple[StockReport, ...]
    # By its own statement; None where it makes none.
    as_of: datetime | None
    next_page: str | None = None


def parse(body: bytes, feed_format: FeedFormat, vendor_id: str, place: str = "") -> Page:
    """Read one document; raises InvalidSnapshot, which begins with `place` and names the row."""
    try:
        # Some programs begin a file with a byte order mark.
        text = body.decode("utf-8-sig")
        return _PARSERS[feed_format.kind](text, feed_format)
    except UnicodeDecodeError as error:
        raise InvalidSnapshot(vendor_id, f"{place}not UTF-8 at byte {error.start}") from error
    except InvalidValue as error:
        raise InvalidSnapshot(vendor_id, f"{place}{error}") from error


def snapshot(vendor: Vendor, pages: Sequence[Page], evidence: datetime | None) -> Snapshot:
    """All pages together: as of the earliest of them, where each says it, else as of the evidence.

    Raises InvalidSnapshot when a product stands twice.
    """
    stated = [page.as_of for page in pages if page.as_of is not None]
    is_stated = bool(stated) and len(stated) == len(pages)
    return Snapshot(
        vendor=vendor,
        as_of=min(stated) if is_stated else evidence,
        stated=is_stated,
        reports=tuple(report for page in pages for report in page.reports),
    )


def _parse_json(text: str, feed_format: FeedFormat) -> Page:
    document = load_json(text)
    items = document if feed_format.items is None else _at(document, feed_format.items)
    if not isinstance(items, list):
        place = feed_format.items or "the document"
        raise InvalidValue(place, f"must be a list of products, but is {_show(items)}")
    reports = [
        _report(
            f"item {number}",
            feed_format,
            _at(item, feed_format.product_id),
            _at(item, feed_format.name),
            _at(item, feed_format.quantity),
        )
        for number, item in enumerate(items, start=1)
    ]
    as_of = feed_format.as_of and _moment(_at(document, feed_format.as_of), feed_format.as_of)
    return Page(
        reports=tuple(reports), as_of=as_of or None, next_page=_next_page(document, feed_format)
    )


def _next_page(document: object, feed_format: FeedFormat) -> str | None:
    if feed_format.next_page is None:
        return None
    link = _at(document, feed_format.next_page)
    if link is None or link == "":
        return None
    check_text(link, feed_format.next_page, MAX_LINK_LENGTH)
    return str(link)


def load_json(text: str) -> object:
    """Read JSON strictly: no NaN, no key twice in one object. Raises InvalidValue."""
    try:
        return json.loads(text, object_pairs_hook=_each_key_once, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        problem = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        beginning = " ".join(text[:40].split())
        beginning = f"it begins with {beginning!r}" if beginning else "it is empty"
        raise InvalidValue("the document", f"not JSON: {problem}; {beginning}") from error


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        [(twice, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"key {reprlib.repr(twice)} stands twice in one object")
    return found


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _at(value: Any, path: str) -> Any:
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _parse_csv(text: str, feed_format: FeedFormat) -> Page:
    rows = _csv_rows(text)
    _, header = next(rows, (1, []))
    columns = _columns(header, feed_format)
    reports: list[StockReport] = []
    timestamps: set[datetime] = set()
    for line, row in rows:
        place = f"line {line}"
        if len(row) != len(header):
            raise InvalidValue(place, f"must have {len(header)} cells, but has {len(row)}")
        cells = {field: row[index] for field, index in columns.items()}
        quantity = _whole_number(cells["quantity"])
        name = cells.get("name")
        report = _report(place, feed_format, cells["product_id"], name, quantity)
        if "as_of" in cells:
            timestamp = _moment(cells["as_of"], f"{place}, {feed_format.as_of}")
            report = attrs.evolve(report, as_of=timestamp)
            timestamps.add(timestamp)
        reports.append(report)
    if len(timestamps) == 1:
        # It is the date of the whole.
        reports = [attrs.evolve(report, as_of=None) for report in reports]
        return Page(reports=tuple(reports), as_of=timestamps.pop())
    return Page(reports=tuple(reports), as_of=None)


def _csv_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Each row that is not blank, with the number of the line it ends on."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        yield from ((reader.line_num, row) for row in reader if row)
    except csv.Error as error:
        raise InvalidValue(f"line {reader.line_num}", f"not CSV: {error}") from error


def _columns(header: list[str], feed_format: FeedFormat) -> dict[str, int]:
    """At which index each field stands that the header names."""
    if len(set(header)) < len(header):
        raise InvalidValue("header", "must name each column once")
    wanted = {
        "product_id": feed_format.product_id,
        "quantity": feed_format.quantity,
        "name": feed_format.name,
        "as_of": feed_format.as_of,
    }
    columns = {field: header.index(name) for field, name in wanted.items() if name in header}
    for field, name in wanted.items():
        if name is not None and field != "name" and field not in columns:
            raise InvalidValue("header", f"must have a column {name!r}, but is {_show(header)}")
    return columns


def _whole_number(cell: str) -> int | str:
    """The number, or the text as it is: what is no whole number is refused with all else."""
    return int(cell) if _DIGITS.fullmatch(cell) else cell


def _report(
    place: str, feed_format: FeedFormat, product_id: Any, name: Any, quantity: Any
) -> StockReport:
    if name == "":
        name = None
    values = {"product_id": product_id, "name": name, "quantity": quantity}
    try:
        return StockReport(**values)
    except InvalidValue as error:
        field = f"{place}, {getattr(feed_format, error.field)}"
        found = f"{error.expected}, but is {_show(values[error.field])}"
        raise InvalidValue(field, found) from error


def _moment(value: object, place: str) -> datetime:
    expected = f"must be a moment in ISO 8601 with a UTC offset, but is {_show(value)}"
    try:
        timestamp = datetime.fromisoformat(value) if isinstance(value, str) else None
        if timestamp is None or timestamp.tzinfo is None:
            raise InvalidValue(place, expected)
        return timestamp.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidValue(place, expected) from error


def _show(value: object) -> str:
    return "missing" if value is None else reprlib.repr(value)


_PARSERS: dict[str, Callable[[str, FeedFormat], Page]] = {"json": _parse_json, "csv": _parse_csv}

"""What a feed says: from the bytes of a document to reports, and to what is wrong in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from time import monotonic
from typing import IO, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs

from ...domain.errors import InvalidSnapshot, InvalidValue
from ...domain.stock import Vendor
from ...domain.stock_updates import StockUpdates
from ...domain.values import (
    check_text,
)
from ...domain.vendor_sync import Snapshot
from ..system.log import Log
from .csv_rows import read_csv
from .feed_rows import FeedRows, moment, value_text
from .large_documents import LARGE, stream_json, stream_xml
from .quantities import Quantities
from .records import KEY, Document, read_json, read_ndjson, read_xml
from .text import Source, opened

log = Log()

# Progress is told of feeds that take longer than so many seconds.
TELL_EVERY = 5.0
TELL_ROWS = 1000

# Of a whole feed, all its pages together.
MAX_BYTES = 1024 * 1024 * 1024
TOO_LARGE = f"larger than {MAX_BYTES} bytes"
MAX_LINK_LENGTH = 4000
# So many rows may be bad, or a tenth of all if that is more.
MAX_BAD_ROWS = 10
MAX_BAD_SHARE = 10
# Of those that make a feed be refused, so many are told in its error.
TOLD_REJECTIONS = 20

KINDS = ("json", "csv", "ndjson", "xml")

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
    # When the vendor expects more of a row's product.
    expected_at: str | None = attrs.field(default=None, validator=_place_if_any)
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
    # Whether quantities say by how much the stock has changed since the feed before.
    changes: bool = False
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
        return [*places, *filter(None, (self.as_of, self.acked_through, self.expected_at))]


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
        self._rows = FeedRows(feed_format)
        self._dates: list[datetime | None] = []
        self._findings: Counter[str] = Counter()
        self._told_at = monotonic()
        self._digest = sha256()

    @property
    def rows(self) -> int:
        """How many rows there were so far, bad ones too."""
        return self._rows.count

    @contextmanager
    def read(self, file: IO[bytes], place: str = "") -> Iterator[PageRead]:
        """One document, of which more may be looked up until the block is left.

        InvalidSnapshot, which begins with `place`, where it is none at all.
        """
        try:
            with opened(file, MAX_BYTES, self._format.encoding) as source:
                document = self._take(source, place)
                next_page = _next_page(document, self._format)
                yield PageRead(
                    rows=self.rows - self._rows.before_page,
                    next_page=next_page,
                    look_up=document.look_up,
                )
        except InvalidValue as error:
            raise InvalidSnapshot(self._vendor.id, f"{place}{error}") from error
        except RecursionError as error:
            raise InvalidSnapshot(self._vendor.id, f"{place}nested too deeply") from error

    def _take(self, source: Source, place: str) -> Document:
        if self._format.changes:
            self._digest.update(source.digest())
        document = _read(source, self._format)
        self._rows.begin_page(place)
        for record in document.records:
            self._rows.take(record)
            if self.rows % TELL_ROWS == 0:
                self._tell_progress()
        self._dates.append(self._date(document))
        if source.encoding not in ("utf-8", self._format.encoding):
            self._findings[f"encoding {source.encoding}"] += 1
        self._findings.update(document.findings)
        return document

    def finish(self) -> bool:
        """All documents are read. False where a product was on two pages: they have changed."""
        self._rows.finish()
        return not self._rows.shifted

    def report(self, evidence: datetime | None, version: str) -> Snapshot | StockUpdates:
        """What all documents say, or which changes they tell of. To be called after `finish`.

        As of the earliest, where each has a date, else as of `evidence`. `version` tells two feeds
        of changes apart that read the same. InvalidSnapshot where too many rows are bad.
        """
        self._refuse_many()
        stated = [date for date in self._dates if date is not None]
        as_of = min(stated) if len(stated) == len(self._dates) > 0 else None
        if self._format.changes:
            return self._updates(as_of, evidence, version)
        # Each row may have the date of the whole.
        return self._snapshot(as_of or self._rows.only_date(), evidence)

    def _snapshot(self, as_of: datetime | None, evidence: datetime | None) -> Snapshot:
        return Snapshot(
            vendor=self._vendor,
            as_of=evidence if as_of is None else as_of,
            stated=as_of is not None,
            reports=self._rows.reports(),
            units=self._rows.units,
            rejections=tuple(self._rows.rejections),
            findings=tuple(self.findings()),
        )

    def _updates(
        self, as_of: datetime | None, evidence: datetime | None, version: str
    ) -> StockUpdates:
        self._digest.update(version.encode())
        return StockUpdates(
            vendor=self._vendor,
            as_of=evidence if as_of is None else as_of,
            stated=as_of is not None,
            key=self._digest.hexdigest(),
            updates=self._rows.updates(),
            rejections=tuple(self._rows.rejections),
            findings=("changes since the feed before", *self.findings()),
        )

    def findings(self) -> list[str]:
        """How the feed was understood, for people."""
        return [*self._findings, *self._rows.findings()]

    def _tell_progress(self) -> None:
        if monotonic() - self._told_at > TELL_EVERY:
            self._told_at = monotonic()
            log.info("vendor.reading", vendor_id=self._vendor.id, rows=self.rows)

    def _date(self, document: Document) -> datetime | None:
        """What the document says that it is of, as a whole."""
        place = self._format.as_of
        if place is None or self._format.kind not in ("json", "xml"):
            return None
        stated = next(iter(document.look_up(place)), None)
        if stated is None and self._rows.are_dated:
            return None
        return moment(stated, place, self._format.timezone)

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


def _is_keyed(feed_format: FeedFormat) -> bool:
    return feed_format.product_id == KEY


def _read(source: Source, form: FeedFormat) -> Document:
    is_large = source.size > LARGE and not _is_keyed(form)
    document = None
    match form.kind:
        case "csv":
            document = read_csv(source, form.wanted, delimiter=form.delimiter, header=form.header)
        case "ndjson":
            document = read_ndjson(source)
        case "json":
            document = stream_json(source, form.items) if is_large else None
            document = document or read_json(source, form.items, keyed=_is_keyed(form))
        case "xml":
            document = stream_xml(source, form.items) if is_large else None
            document = document or read_xml(source, form.items, keyed=_is_keyed(form))
    return document


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
        found[place] = tuple(value_text(value) for value in each)
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

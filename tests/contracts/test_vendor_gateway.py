"""What every VendorGateway promises: the whole feed or an error."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import count
from pathlib import Path
from typing import Protocol

import attrs
import pytest

from feed_server import Answer, FeedServer
from order_aggregator.adapters.memory.vendor_gateway import MemoryVendorGateway
from order_aggregator.adapters.vendors.feed import FeedFormat
from order_aggregator.adapters.vendors.file import FileVendorGateway
from order_aggregator.adapters.vendors.http import HttpVendorGateway
from order_aggregator.domain.errors import InvalidSnapshot, VendorUnavailable
from order_aggregator.domain.ports.vendor_gateway import VendorGateway
from order_aggregator.domain.stock import Vendor
from order_aggregator.domain.vendor_sync import StockReport
from order_aggregator.entrypoints.demo.seed import SeedVendorGateway, seed_snapshots
from order_aggregator.testing.shop import whole

VENDOR = Vendor(id="acme", name="Acme Wholesale")
AS_OF = datetime(2026, 2, 28, 9, 30, tzinfo=UTC)
REPORTS = tuple(
    StockReport(product_id=f"sku-{n:03}", name=f'Thing, "{n}" ½', quantity=n) for n in range(25)
)
PAGE_SIZE = 10


class ReadFeed(Protocol):
    """A gateway together with what its vendor has."""

    @property
    def gateway(self) -> VendorGateway: ...

    @property
    def reports(self) -> Collection[StockReport]: ...

    @property
    def as_of(self) -> datetime | None: ...


class Feed(ReadFeed, Protocol):
    """A gateway together with the vendor's side of it."""

    def publish(self, reports: tuple[StockReport, ...], as_of: datetime | None = AS_OF) -> None:
        """The vendor has this; all at once."""

    def break_off(self) -> None:
        """The vendor cannot be reached until it publishes again."""


class _Published:
    """The feed begins with some products."""

    reports = REPORTS
    as_of = AS_OF


class MemoryFeed(_Published):
    def __init__(self) -> None:
        self.gateway = MemoryVendorGateway(VENDOR)

    def publish(self, reports: tuple[StockReport, ...], as_of: datetime | None = AS_OF) -> None:
        self.gateway.report(reports, as_of)

    def break_off(self) -> None:
        self.gateway.fail("away")


def _rows(reports: tuple[StockReport, ...]) -> list[dict[str, str | int | None]]:
    return [{"sku": r.product_id, "title": r.name, "qty": r.quantity} for r in reports]


def _csv(reports: tuple[StockReport, ...], as_of: datetime | None) -> bytes:
    text = io.StringIO()
    timestamps = {} if as_of is None else {"at": as_of.isoformat()}
    writer = csv.DictWriter(text, ["sku", "title", "qty", *timestamps])
    writer.writeheader()
    writer.writerows(row | timestamps for row in _rows(reports))
    return text.getvalue().encode()


def _json(reports: tuple[StockReport, ...], as_of: datetime | None, next_page: str = "") -> bytes:
    timestamps = {} if as_of is None else {"at": as_of.isoformat()}
    return json.dumps({"rows": _rows(reports), "next": next_page} | timestamps).encode()


def _format(kind: str, as_of: datetime | None, *, paged: bool = False) -> FeedFormat:
    return FeedFormat(
        kind="csv" if kind == "csv" else "json",
        product_id="sku",
        name="title",
        quantity="qty",
        items="rows" if kind == "json" else None,
        as_of=None if as_of is None else "at",
        next_page="next" if paged else None,
    )


_WRITERS = {"csv": _csv, "json": _json}


class FileFeed(_Published):
    def __init__(self, kind: str, folder: Path) -> None:
        self._kind = kind
        self._path = folder / "stock"
        self.gateway = FileVendorGateway(
            vendor=VENDOR, path=self._path, feed_format=_format(kind, AS_OF)
        )

    def publish(self, reports: tuple[StockReport, ...], as_of: datetime | None = AS_OF) -> None:
        new = self._path.with_suffix(".new")
        new.write_bytes(_WRITERS[self._kind](reports, as_of))
        new.rename(self._path)
        if as_of is None:
            self.gateway = attrs.evolve(self.gateway, feed_format=_format(self._kind, None))

    def break_off(self) -> None:
        self._path.unlink()


class HttpFeed(_Published):
    """One document, its `as_of` in JSON in the document, in CSV in Last-Modified."""

    def __init__(self, kind: str, server: FeedServer) -> None:
        self._kind = kind
        self._server = server
        as_of = AS_OF if kind == "json" else None
        self.gateway = HttpVendorGateway(
            vendor=VENDOR, url=server.url(), feed_format=_format(kind, as_of)
        )

    def publish(self, reports: tuple[StockReport, ...], as_of: datetime | None = AS_OF) -> None:
        headers = {}
        if as_of is None:
            self.gateway = attrs.evolve(
                self.gateway, url=str(self.gateway.url), feed_format=_format(self._kind, None)
            )
        elif self._kind == "csv":
            headers["Last-Modified"] = format_datetime(as_of, usegmt=True)
        written = None if self._kind == "csv" else as_of
        body = _WRITERS[self._kind](reports, written)
        self._server.serve("/stock", Answer(body, headers=headers))

    def break_off(self) -> None:
        self._server.serve("/stock", Answer(b"go away", 503))


class PagedFeed(_Published):
    """Pages of one version of the stock; a page links to the next of the same version."""

    def __init__(self, server: FeedServer) -> None:
        self._server = server
        self._versions = count()
        self.gateway = HttpVendorGateway(
            vendor=VENDOR, url=server.url(), feed_format=_format("json", AS_OF, paged=True)
        )

    def publish(self, reports: tuple[StockReport, ...], as_of: datetime | None = AS_OF) -> None:
        version = next(self._versions)
        pages = [reports[n : n + PAGE_SIZE] for n in range(0, len(reports), PAGE_SIZE)] or [()]
        for number, page in reversed(list(enumerate(pages))):
            following = f"/stock?version={version}&page={number + 1}"
            link = "" if page is pages[-1] else following
            path = f"/stock?version={version}&page={number}" if number else "/stock"
            # The earliest statement counts: that of the last page.
            timestamp = as_of and as_of + timedelta(hours=len(pages) - 1 - number)
            self._server.serve(path, Answer(_json(page, timestamp, link)))
        if as_of is None:
            feed_format = _format("json", None, paged=True)
            self.gateway = attrs.evolve(
                self.gateway, url=str(self.gateway.url), feed_format=feed_format
            )

    def break_off(self) -> None:
        # The first page still comes.
        self._server.serve(f"/stock?version={next(self._versions) - 1}&page=2", Answer(b"", 503))


class SeedFeed:
    def __init__(self) -> None:
        seed = seed_snapshots()[0]
        self.reports = seed.reports
        self.as_of = seed.as_of
        self.gateway = SeedVendorGateway(snapshot=seed)


@contextmanager
def _open(name: str, folder: Path) -> Iterator[Feed]:
    if name == "memory":
        yield MemoryFeed()
    elif name.startswith("file"):
        yield FileFeed(name.removeprefix("file-"), folder)
    else:
        with FeedServer() as server:
            kind = name.removeprefix("http-")
            yield PagedFeed(server) if kind == "pages" else HttpFeed(kind, server)


CHANGING = ["memory", "http-json", "http-csv", "http-pages", "file-csv", "file-json"]


@pytest.fixture(params=CHANGING)
def feed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Feed]:
    with _open(request.param, tmp_path) as opened:
        opened.publish(REPORTS)
        yield opened


@pytest.fixture(params=[*CHANGING, "seed"])
def any_feed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ReadFeed]:
    if request.param == "seed":
        yield SeedFeed()
        return
    with _open(request.param, tmp_path) as opened:
        opened.publish(REPORTS)
        yield opened


def test_the_whole_feed_is_read(any_feed: ReadFeed) -> None:
    snapshot = whole(any_feed.gateway.fetch())
    assert snapshot.reports == any_feed.reports
    assert snapshot.vendor == any_feed.gateway.vendor


def test_as_of_is_the_vendors_own_statement(any_feed: ReadFeed) -> None:
    assert whole(any_feed.gateway.fetch()).as_of == any_feed.as_of


def test_many_threads_read_the_same(any_feed: ReadFeed) -> None:
    with ThreadPoolExecutor(20) as threads:
        snapshots = list(threads.map(lambda _: whole(any_feed.gateway.fetch()), range(20)))
    assert [s.reports for s in snapshots] == [any_feed.reports] * 20
    assert {s.as_of for s in snapshots} == {any_feed.as_of}


def test_without_a_statement_as_of_is_what_there_is_evidence_of(feed: Feed) -> None:
    feed.publish(REPORTS, None)
    snapshot = whole(feed.gateway.fetch())
    assert not snapshot.stated
    assert snapshot.as_of is None or snapshot.as_of <= datetime.now(UTC)


def test_an_empty_feed_is_a_vendor_with_nothing(feed: Feed) -> None:
    feed.publish(())
    assert whole(feed.gateway.fetch()).reports == ()


def test_a_product_that_stands_twice_is_not_taken_in(feed: Feed) -> None:
    """The whole is refused, or that product is left out and rejected."""
    feed.publish((*REPORTS, attrs.evolve(REPORTS[0], quantity=99)))
    try:
        snapshot = whole(feed.gateway.fetch())
    except (InvalidSnapshot, VendorUnavailable):
        return
    assert [rejection.product_id for rejection in snapshot.rejections] == ["sku-000"]
    assert snapshot.reports == REPORTS[1:]


def test_after_a_bad_feed_a_good_one_is_read(feed: Feed) -> None:
    feed.break_off()
    with pytest.raises(VendorUnavailable):
        whole(feed.gateway.fetch())
    feed.publish(REPORTS[:3])
    assert whole(feed.gateway.fetch()).reports == REPORTS[:3]


def test_a_vendor_that_cannot_be_reached_is_unavailable_until_it_is_back(feed: Feed) -> None:
    feed.break_off()
    with pytest.raises(VendorUnavailable) as caught:
        whole(feed.gateway.fetch())
    assert caught.value.vendor_id == VENDOR.id
    assert "\n" not in str(caught.value)
    feed.publish(REPORTS)
    assert whole(feed.gateway.fetch()).reports == REPORTS


def test_a_feed_that_changes_meanwhile_is_read_before_or_after_but_never_in_between(
    feed: Feed,
) -> None:
    after = tuple(attrs.evolve(report, quantity=report.quantity + 1000) for report in REPORTS[:-1])
    with ThreadPoolExecutor(4) as threads:
        reads = [threads.submit(feed.gateway.fetch) for _ in range(40)]
        for version in range(20):
            feed.publish(REPORTS if version % 2 else after)
    assert {whole(read.result()).reports for read in reads} <= {REPORTS, after}

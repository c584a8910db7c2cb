"""The mock vendors: HTTP servers that serve the seed data, each in a feed of its own shape."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import parse_qs, urlsplit

import attrs

from ...adapters.system.log import Log
from ...domain.errors import OrderAggregatorError, UnknownVendor
from ...domain.values import check_aware, timestamp_text
from ...domain.vendor_sync import Snapshot, StockReport
from .feeds import CSV, MOCK_FEEDS, PAGED_JSON, PLAIN_JSON, MockFeed
from .seed import seed_snapshots

log = Log()

FIRST_PORT = 4001
PAGE_SIZE = 4


class CannotListen(OrderAggregatorError, OSError):
    """A server could not be started on its port."""

    def __init__(self, host: str, port: int, problem: str) -> None:
        super().__init__(f"cannot listen on {host}, port {port}: {problem}")
        self.port = port


class MockVendors:
    """The three mock vendors, on ports one after the other; with port 0, each on any free one.

    They begin with the seed data. Their `as_of` stands still, as their stock does.
    """

    def __init__(self, host: str = "127.0.0.1", first_port: int = FIRST_PORT) -> None:
        self._host = host
        self._first_port = first_port
        seeds = {snapshot.vendor.id: snapshot for snapshot in seed_snapshots()}
        self._shelves = {feed.vendor_id: _VendorState(seeds[feed.vendor_id]) for feed in MOCK_FEEDS}
        self._running: dict[str, tuple[_Server, Thread]] = {}

    @property
    def urls(self) -> dict[str, str]:
        """By vendor id, the address of its feed; while they run."""
        return {
            feed.vendor_id: f"http://{self._host}:{server.server_address[1]}{feed.path}"
            for feed in MOCK_FEEDS
            for server, _ in [self._running[feed.vendor_id]]
        }

    def start(self) -> None:
        """Serve, in threads; raises CannotListen, and then none is running."""
        try:
            for number, feed in enumerate(MOCK_FEEDS):
                port = self._first_port and self._first_port + number
                server = _listen(self._host, port, feed, self._shelves[feed.vendor_id])
                thread = Thread(
                    target=server.serve_forever, args=(0.05,), name=f"mock-vendor-{feed.vendor_id}"
                )
                thread.daemon = True
                self._running[feed.vendor_id] = (server, thread)
                thread.start()
        except CannotListen:
            self.stop()
            raise
        log.info("mock_vendors.started", urls=list(self.urls.values()))

    def stop(self) -> None:
        """Stop serving; does nothing if they do not run."""
        for server, thread in self._running.values():
            server.shutdown()
            server.server_close()
            thread.join()
        self._running.clear()

    def set_stock(self, vendor_id: str, product_id: str, quantity: int, as_of: datetime) -> None:
        """From now on the vendor reports so many units, and all its stock as of this moment.

        The CSV feed states whole seconds. Raises UnknownVendor or InvalidValue.
        """
        self._shelf(vendor_id).put(product_id, quantity, as_of)

    def stock(self, vendor_id: str) -> tuple[StockReport, ...]:
        """What the vendor has. Raises UnknownVendor."""
        return tuple(self._shelf(vendor_id).look().reports)

    def change_stock(self, vendor_id: str, product_id: str, change: int) -> None:
        """So many units more or fewer, but never below 0. Its `as_of` stays.

        For what the vendor's other customers buy: it has not learnt of our orders meanwhile, so
        those go on being subtracted from what it reports.
        """
        self._shelf(vendor_id).change(product_id, change)

    def fail_once(self, vendor_id: str) -> None:
        """Its next request is answered 503."""
        self._shelf(vendor_id).fail_once()

    def _shelf(self, vendor_id: str) -> _VendorState:
        if vendor_id not in self._shelves:
            raise UnknownVendor(vendor_id)
        return self._shelves[vendor_id]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


class _VendorState:
    """What one mock vendor has. Thread-safe."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._lock = Lock()
        self._snapshot = snapshot
        self._failing = False

    def put(self, product_id: str, quantity: int, as_of: datetime) -> None:
        check_aware(as_of, "as_of")
        with self._lock:
            reports = {report.product_id: report for report in self._snapshot.reports}
            known = reports.get(product_id)
            reports[product_id] = StockReport(
                product_id=product_id, name=known.name if known else product_id, quantity=quantity
            )
            # A product keeps its place and a new one comes last, so that pages do not shift.
            self._snapshot = attrs.evolve(
                self._snapshot, as_of=as_of, reports=tuple(reports.values())
            )

    def change(self, product_id: str, change: int) -> None:
        with self._lock:
            reports = tuple(
                attrs.evolve(report, quantity=max(0, report.quantity + change))
                if report.product_id == product_id
                else report
                for report in self._snapshot.reports
            )
            self._snapshot = attrs.evolve(self._snapshot, reports=reports)

    def fail_once(self) -> None:
        with self._lock:
            self._failing = True

    def fails(self) -> bool:
        """Whether this request is to fail."""
        with self._lock:
            failing, self._failing = self._failing, False
        return failing

    def look(self) -> Snapshot:
        with self._lock:
            return self._snapshot


@attrs.frozen(kw_only=True)
class _Answer:
    body: bytes
    headers: Mapping[str, str]


def _plain_json(snapshot: Snapshot, _query: str) -> _Answer:
    products = [
        {"product_id": report.product_id, "name": report.name, "quantity": report.quantity}
        for report in snapshot.reports
    ]
    return _json({"vendor": snapshot.vendor.name, "as_of": _iso(snapshot), "products": products})


def _csv(snapshot: Snapshot, _query: str) -> _Answer:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["product_id", "name", "quantity"])
    writer.writerows((r.product_id, r.name, r.quantity) for r in snapshot.reports)
    modified = format_datetime(_date(snapshot).astimezone(UTC), usegmt=True)
    return _Answer(
        body=text.getvalue().encode(),
        headers={"Content-Type": "text/csv; charset=utf-8", "Last-Modified": modified},
    )


def _paged_json(snapshot: Snapshot, query: str) -> _Answer | None:
    given = parse_qs(query).get("page", ["1"])[0]
    last = max(1, -(-len(snapshot.reports) // PAGE_SIZE))
    if given not in map(str, range(1, last + 1)):
        return None
    page = int(given)
    chosen = tuple(snapshot.reports)[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    return _json(
        {
            "meta": {"vendor": snapshot.vendor.name, "generated_at": _iso(snapshot)},
            "data": [{"sku": r.product_id, "title": r.name, "qty": r.quantity} for r in chosen],
            "next": f"{PAGED_JSON.path}?page={page + 1}" if page < last else None,
        }
    )


def _nothing_here(feed: MockFeed) -> _Answer:
    text = f"Nothing is here. The stock is at {feed.path}\n"
    return _Answer(body=text.encode(), headers={"Content-Type": "text/plain; charset=utf-8"})


def _json(document: Any) -> _Answer:
    body = json.dumps(document, indent=2, ensure_ascii=False).encode()
    return _Answer(body=body, headers={"Content-Type": "application/json"})


def _date(snapshot: Snapshot) -> datetime:
    # Seed data states one.
    return cast(datetime, snapshot.as_of)


def _iso(snapshot: Snapshot) -> str:
    return timestamp_text(_date(snapshot))


_RENDERERS: dict[str, Callable[[Snapshot, str], _Answer | None]] = {
    PLAIN_JSON.vendor_id: _plain_json,
    CSV.vendor_id: _csv,
    PAGED_JSON.vendor_id: _paged_json,
}


class _Server(ThreadingHTTPServer):
    """One vendor's server."""

    request_queue_size = 128

    def __init__(self, address: tuple[str, int], feed: MockFeed, shelf: _VendorState) -> None:
        self.feed = feed
        self.shelf = shelf
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # That of HTTPServer also asks for the host's full name, which may take seconds.
        TCPServer.server_bind(self)

    def handle_error(self, _request: Any, client_address: Any) -> None:
        # socketserver calls it where it has caught the error.
        client = client_address[0]
        log.warning("mock_vendor.request_failed", client=client, exc_info=True)  # noqa: LOG014


def _listen(host: str, port: int, feed: MockFeed, shelf: _VendorState) -> _Server:
    try:
        return _Server((host, port), feed, shelf)
    except (OSError, OverflowError) as error:
        problem = error.strerror if isinstance(error, OSError) else None
        raise CannotListen(host, port, problem or str(error)) from error


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD at the feed's path."""

    server: _Server
    # Seconds that a client may keep us waiting.
    timeout = 10

    def do_GET(self) -> None:
        self._serve(with_body=True)

    def do_HEAD(self) -> None:
        self._serve(with_body=False)

    def _refuse(self) -> None:
        headers = {"Allow": "GET, HEAD"}
        self._answer(HTTPStatus.METHOD_NOT_ALLOWED, _Answer(body=b"", headers=headers))

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _refuse  # noqa: N815

    def _serve(self, *, with_body: bool) -> None:
        feed = self.server.feed
        if self.server.shelf.fails():
            overloaded = _Answer(body=b"overloaded\n", headers={"Retry-After": "1"})
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, overloaded, with_body=with_body)
            return
        address = urlsplit(self.path)
        answer = None
        if address.path == feed.path:
            answer = _RENDERERS[feed.vendor_id](self.server.shelf.look(), address.query)
        status = HTTPStatus.OK if answer else HTTPStatus.NOT_FOUND
        self._answer(status, answer or _nothing_here(feed), with_body=with_body)

    def _answer(self, status: HTTPStatus, answer: _Answer, *, with_body: bool = True) -> None:
        self.send_response(status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if with_body:
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        log.debug("mock_vendor.request", request=format % args)

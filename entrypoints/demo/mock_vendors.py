"""The mock vendors: HTTP servers that serve the seed data, each in a feed of its own shape."""

from __future__ import annotations

import json
import time
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Thread
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import attrs

from ...adapters.system.log import Log
from ...domain.errors import InvalidValue, OrderAggregatorError, UnknownVendor
from ...domain.vendor_sync import StockReport
from .faults import parse_faults
from .feeds import MOCK_FEEDS, MockFeed
from .feeds_written import WRITERS, Answer, json_answer
from .seed import seed_snapshots
from .shelf import Shelf

log = Log()

FIRST_PORT = 4001
MAX_BODY = 10_000
# Where faults are switched on, and where it is shown what a vendor really has.
FAULTS, SHELF = "/faults", "/shelf"


class CannotListen(OrderAggregatorError, OSError):
    """A server could not be started on its port."""

    def __init__(self, host: str, port: int, problem: str) -> None:
        super().__init__(f"cannot listen on {host}, port {port}: {problem}")
        self.port = port


class MockVendors:
    """The three mock vendors, on ports one after the other; with port 0, each on any free one.

    They begin with the seed data. Their `as_of` stands still, as their stock does, until they learn
    of our orders.
    """

    def __init__(self, host: str = "127.0.0.1", first_port: int = FIRST_PORT) -> None:
        self._host = host
        self._first_port = first_port
        seeds = {snapshot.vendor.id: snapshot for snapshot in seed_snapshots()}
        self._shelves = {feed.vendor_id: Shelf(seeds[feed.vendor_id]) for feed in MOCK_FEEDS}
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
        self.shelf(vendor_id).put(product_id, quantity, as_of)

    def stock(self, vendor_id: str) -> tuple[StockReport, ...]:
        """What the vendor has. Raises UnknownVendor."""
        rows = self.shelf(vendor_id).look().rows
        return tuple(
            StockReport(product_id=row.product_id, name=row.name, quantity=row.quantity)
            for row in rows
        )

    def change_stock(self, vendor_id: str, product_id: str, change: int) -> None:
        """So many units more or fewer, but never below 0. Its `as_of` stays.

        For what the vendor's other customers buy: it has not learnt of our orders meanwhile, so
        those go on being subtracted from what it reports.
        """
        self.shelf(vendor_id).change(product_id, change)

    def fail_once(self, vendor_id: str) -> None:
        """Its next request is answered 503."""
        self.shelf(vendor_id).fail_once()

    def shelf(self, vendor_id: str) -> Shelf:
        """What the vendor really has. Raises UnknownVendor."""
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


def _nothing_here(feed: MockFeed) -> Answer:
    text = f"Nothing is here. The stock is at {feed.path}\n"
    return Answer(body=text.encode(), headers={"Content-Type": "text/plain; charset=utf-8"})


class _Server(ThreadingHTTPServer):
    """One vendor's server."""

    request_queue_size = 128

    def __init__(self, address: tuple[str, int], feed: MockFeed, shelf: Shelf) -> None:
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


def _listen(host: str, port: int, feed: MockFeed, shelf: Shelf) -> _Server:
    try:
        return _Server((host, port), feed, shelf)
    except (OSError, OverflowError) as error:
        problem = error.strerror if isinstance(error, OSError) else None
        raise CannotListen(host, port, problem or str(error)) from error


class _Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD at the feed's path, and what is asked about faults and the shelf."""

    server: _Server
    # Seconds that a client may keep us waiting.
    timeout = 10

    def do_GET(self) -> None:
        self._serve(with_body=True)

    def do_HEAD(self) -> None:
        self._serve(with_body=False)

    def do_PUT(self) -> None:
        if urlsplit(self.path).path != FAULTS:
            self._refuse()
            return
        try:
            length = min(int(self.headers.get("Content-Length", 0)), MAX_BODY)
            self.server.shelf.faults = parse_faults(json.loads(self.rfile.read(length)))
        except (InvalidValue, ValueError) as error:
            self._answer(HTTPStatus.UNPROCESSABLE_ENTITY, json_answer({"error": str(error)}))
            return
        self._answer(HTTPStatus.OK, self._faults())

    def _refuse(self) -> None:
        headers = {"Allow": "GET, HEAD"}
        self._answer(HTTPStatus.METHOD_NOT_ALLOWED, Answer(body=b"", headers=headers))

    do_POST = do_PATCH = do_DELETE = do_OPTIONS = _refuse  # noqa: N815

    def _serve(self, *, with_body: bool) -> None:
        path = urlsplit(self.path).path
        if path == FAULTS:
            self._answer(HTTPStatus.OK, self._faults(), with_body=with_body)
        elif path == SHELF:
            self._answer(HTTPStatus.OK, self._shelf(), with_body=with_body)
        elif path == self.server.feed.path:
            self._serve_feed(with_body=with_body)
        else:
            nothing = _nothing_here(self.server.feed)
            self._answer(HTTPStatus.NOT_FOUND, nothing, with_body=with_body)

    def _serve_feed(self, *, with_body: bool) -> None:
        shelf, feed = self.server.shelf, self.server.feed
        time.sleep(shelf.delay())
        if shelf.fails() or shelf.happens(shelf.faults.errors):
            overloaded = Answer(body=b"overloaded\n", headers={"Retry-After": "1"})
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, overloaded, with_body=with_body)
            return
        answer = WRITERS[feed.vendor_id](shelf.tell(), urlsplit(self.path).query)
        status = HTTPStatus.OK if answer else HTTPStatus.NOT_FOUND
        is_half = shelf.happens(shelf.faults.half_bodies)
        self._answer(status, answer or _nothing_here(feed), with_body=with_body, is_half=is_half)

    def _faults(self) -> Answer:
        return json_answer(attrs.asdict(self.server.shelf.faults))

    def _shelf(self) -> Answer:
        truth = self.server.shelf.truth()
        return json_answer(
            {key: {"units": units, "learnt": learnt} for key, (units, learnt) in truth.items()}
        )

    def _answer(
        self,
        status: HTTPStatus,
        answer: Answer,
        *,
        with_body: bool = True,
        is_half: bool = False,
    ) -> None:
        self.send_response(status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if with_body:
            self.wfile.write(answer.body[: len(answer.body) // 2] if is_half else answer.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        log.debug("mock_vendor.request", request=format % args)

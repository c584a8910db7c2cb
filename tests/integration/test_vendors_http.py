"""Feeds over real HTTP: what a vendor's server may do to us, and what we do then."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from time import monotonic

import attrs
import pytest
from structlog.testing import capture_logs

from feed_server import Answer, Behaviour, Exchange, FeedServer
from order_aggregator.adapters.vendors import http
from order_aggregator.adapters.vendors.feed import FeedFormat
from order_aggregator.adapters.vendors.http import HttpVendorGateway
from order_aggregator.domain.errors import InvalidSnapshot, VendorUnavailable
from order_aggregator.domain.stock import Vendor
from order_aggregator.testing.shop import whole

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
JSON = FeedFormat(kind="json")
CSV = FeedFormat(kind="csv")
PAGED = FeedFormat(kind="json", items="rows", next_page="next")
BODY = b'[{"product_id": "a", "name": "A", "quantity": 5}]'
CSV_BODY = b"product_id,quantity\na,5\nb,6\n"
GOOD = Answer(BODY)


@pytest.fixture
def server() -> Iterator[FeedServer]:
    with FeedServer() as server:
        yield server


@pytest.fixture
def another_server() -> Iterator[FeedServer]:
    with FeedServer() as server:
        yield server


def _gateway_at(url: str, feed_format: FeedFormat = JSON, timeout: float = 10) -> HttpVendorGateway:
    return HttpVendorGateway(
        vendor=Vendor(id="acme", name="Acme"),
        url=url,
        feed_format=feed_format,
        headers={"X-Key": "s3cret"},
        timeout=timeout,
    )


def _gateway(
    server: FeedServer, feed_format: FeedFormat = JSON, timeout: float = 10
) -> HttpVendorGateway:
    return _gateway_at(server.url(), feed_format, timeout)


def _unavailable(gateway: HttpVendorGateway, within: float = 5) -> str:
    """The problem of a fetch that must end in time."""
    began = monotonic()
    with pytest.raises(VendorUnavailable) as caught:
        whole(gateway.fetch())
    assert monotonic() - began < within
    assert "\n" not in str(caught.value)
    return caught.value.problem


def _refused(gateway: HttpVendorGateway) -> str:
    with pytest.raises(InvalidSnapshot) as caught:
        whole(gateway.fetch())
    assert "\n" not in str(caught.value)
    return caught.value.problem


def _page(*product_ids: str, following: str | None = None) -> Answer:
    rows = [{"product_id": product_id, "quantity": 1} for product_id in product_ids]
    return Answer(json.dumps({"rows": rows, "next": following}).encode())


def _raw(*parts: bytes, pause: float = 0) -> Behaviour:
    """Sends these bytes, whatever they are, then closes."""

    def behave(exchange: Exchange) -> None:
        for part in parts:
            exchange.wfile.write(part)
            exchange.wfile.flush()
            if exchange.stopping.wait(pause):
                return

    return behave


def _drip(head: bytes, byte: bytes) -> Behaviour:
    """Sends a beginning, then a byte every now and then, without end."""

    def behave(exchange: Exchange) -> None:
        exchange.wfile.write(head)
        while not exchange.stopping.wait(0.1):
            exchange.wfile.write(byte)

    return behave


class TestTiming:
    @pytest.mark.parametrize(
        "behaviour",
        [
            pytest.param(_drip(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"), id="head"),
            pytest.param(
                _drip(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n[", b" "), id="body"
            ),
            pytest.param(
                _drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
                id="chunks",
            ),
            # Cut by us, it looks whole: what is there is good JSON, and no length says otherwise.
            pytest.param(_drip(b"HTTP/1.0 200 OK\r\n\r\n" + BODY, b" "), id="unknown-length"),
        ],
    )
    def test_a_server_that_drips_is_given_up_in_time(
        self, server: FeedServer, behaviour: Behaviour
    ) -> None:
        server.serve("/stock", behaviour)
        problem = _unavailable(_gateway(server, timeout=0.7), within=1.5)
        assert "no whole answer within 0.7 seconds" in problem
        # Not asked again; on a busy machine, given up before it took note.
        assert len(server.requests) <= 1

    def test_a_server_that_never_answers_is_given_up_in_time(self, server: FeedServer) -> None:
        def say_nothing(exchange: Exchange) -> None:
            exchange.stopping.wait(5)

        server.serve("/stock", say_nothing)
        assert "0.7 seconds" in _unavailable(_gateway(server, timeout=0.7), within=1.5)

    def test_all_pages_share_the_time(self, server: FeedServer) -> None:
        def slow_page(exchange: Exchange) -> None:
            exchange.stopping.wait(0.3)
            number = len(server.requests)
            _page(f"p{number}", following=f"/stock?{number}")(exchange)

        for number in range(9):
            server.serve(f"/stock?{number}" if number else "/stock", slow_page)
        assert "1 seconds" in _unavailable(_gateway(server, PAGED, timeout=1), within=2)

    def test_nobody_listens(self) -> None:
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            port = bound.getsockname()[1]
            problem = _unavailable(_gateway_at(f"http://127.0.0.1:{port}/stock"))
        assert f"127.0.0.1:{port}: " in problem
        assert "refused" in problem


class TestBrokenAnswers:
    @pytest.mark.parametrize("feed_format", [JSON, CSV])
    @pytest.mark.parametrize(
        "head",
        [b"Content-Length: 999\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n1c\r\n"],
    )
    def test_a_server_that_closes_in_the_middle(
        self, server: FeedServer, head: bytes, feed_format: FeedFormat
    ) -> None:
        body = BODY if feed_format is JSON else CSV_BODY
        server.serve("/stock", _raw(b"HTTP/1.1 200 OK\r\n" + head + body[:28]))
        assert "closed" in _unavailable(_gateway(server, feed_format))

    def test_it_is_asked_again(self, server: FeedServer) -> None:
        server.serve("/stock", _raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n["), GOOD)
        assert len(whole(_gateway(server).fetch()).reports) == 1

    def test_json_without_a_length_is_seen_to_be_cut(self, server: FeedServer) -> None:
        server.serve("/stock", _raw(b"HTTP/1.0 200 OK\r\n\r\n" + BODY[:-1]))
        assert "not JSON" in _refused(_gateway(server))
        server.serve("/stock", _raw(b"HTTP/1.0 200 OK\r\n\r\n" + BODY))
        assert len(whole(_gateway(server).fetch()).reports) == 1

    def test_csv_without_a_length_may_be_cut_and_is_refused(self, server: FeedServer) -> None:
        server.serve("/stock", _raw(b"HTTP/1.0 200 OK\r\n\r\n" + CSV_BODY))
        assert "Content-Length" in _refused(_gateway(server, CSV))

    @pytest.mark.parametrize(
        "answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"]
    )
    def test_no_http(self, server: FeedServer, answer: bytes) -> None:
        server.serve("/stock", _raw(answer))
        _unavailable(_gateway(server))

    def test_an_error_page_instead_of_json(self, server: FeedServer) -> None:
        server.serve("/stock", Answer(b"<!DOCTYPE html><p>Sorry"))
        assert "begins with '<!DOCTYPE html>" in _refused(_gateway(server))

    def test_a_compressed_feed_is_read_and_a_broken_one_is_not(self, server: FeedServer) -> None:
        headers = {"Content-Encoding": "gzip"}
        server.serve("/stock", Answer(gzip.compress(BODY), headers=headers))
        assert len(whole(_gateway(server).fetch()).reports) == 1
        server.serve("/stock", Answer(b"this is no gzip", headers=headers))
        _unavailable(_gateway(server))

    def test_a_feed_that_is_too_large_is_refused(
        self, server: FeedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(http, "MAX_BYTES", len(BODY))
        server.serve("/stock", GOOD)
        whole(_gateway(server).fetch())
        server.serve("/stock", Answer(BODY + b" "))
        assert "larger than" in _refused(_gateway(server))

    def test_a_small_answer_that_grows_when_decompressed_is_refused(
        self, server: FeedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(http, "MAX_BYTES", 1024 * 1024)
        bomb = gzip.compress(bytes(2 * 1024 * 1024))
        server.serve("/stock", Answer(bomb, headers={"Content-Encoding": "gzip"}))
        assert "larger than" in _refused(_gateway(server))


class TestStatus:
    @pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
    def test_what_may_pass_is_asked_again(self, server: FeedServer, status: int) -> None:
        server.serve("/stock", Answer(b"", status), Answer(b"", status), GOOD)
        assert len(whole(_gateway(server).fetch()).reports) == 1

    def test_but_only_a_few_times(self, server: FeedServer) -> None:
        server.serve("/stock", Answer(b"", 503))
        assert _unavailable(_gateway(server)).endswith("answered 503 Service Unavailable")
        assert len(server.requests) == 3

    def test_each_wait_names_the_vendor_and_the_reason(self, server: FeedServer) -> None:
        answer = Answer(b"", 503, headers={"Retry-After": "0"})
        server.serve("/stock", answer, _raw(b"nonsense\r\n\r\n"), GOOD)
        with capture_logs() as logs:
            whole(_gateway_at(server.url().replace("//", "//me:s3cret@")).fetch())
        [asked, broken] = logs
        assert asked == {
            "event": "vendor.waiting",
            "log_level": "warning",
            "vendor_id": "acme",
            "reason": f"127.0.0.1:{server.server_address[1]}: answered 503 Service Unavailable",
            "seconds": 0.0,
        }
        assert (broken["event"], broken["vendor_id"]) == ("vendor.waiting", "acme")
        assert 0.1 <= broken["seconds"] <= 0.4
        assert "s3cret" not in repr(logs)

    @pytest.mark.parametrize("status", [201, 204, 206, 304, 400, 401, 403, 404, 410])
    def test_what_will_not_pass_is_not(self, server: FeedServer, status: int) -> None:
        body = b"" if status in (204, 304) else BODY
        server.serve("/stock", Answer(body, status))
        assert f"answered {status}" in _unavailable(_gateway(server))
        assert len(server.requests) == 1

    @pytest.mark.parametrize(
        "value", ["1", format_datetime(NOW + timedelta(seconds=1), usegmt=True)]
    )
    def test_retry_after_is_honoured(self, server: FeedServer, value: str) -> None:
        """A time is by the clock of whoever says it."""
        headers = {"Retry-After": value, "Date": format_datetime(NOW, usegmt=True)}
        server.serve("/stock", Answer(b"", 429, headers=headers), GOOD)
        began = monotonic()
        whole(_gateway(server).fetch())
        assert 0.9 < monotonic() - began < 2.5

    @pytest.mark.parametrize(("value", "timeout"), [("6", 60), ("3600", 60), ("2", 1)])
    def test_unless_it_asks_for_too_much(
        self, server: FeedServer, value: str, timeout: float
    ) -> None:
        server.serve("/stock", Answer(b"", 503, headers={"Retry-After": value}))
        _unavailable(_gateway(server, timeout=timeout), within=0.8)
        assert len(server.requests) == 1

    @pytest.mark.parametrize("value", ["soon", "-5", "1.5", "Thu, 99 Jan"])
    def test_or_makes_no_sense(self, server: FeedServer, value: str) -> None:
        server.serve("/stock", Answer(b"", 503, headers={"Retry-After": value}), GOOD)
        assert len(whole(_gateway(server).fetch()).reports) == 1


class TestRedirects:
    def test_are_followed_at_home(self, server: FeedServer) -> None:
        server.serve("/stock", Answer(b"", 302, headers={"Location": "/there?x=1"}))
        server.serve("/there?x=1", GOOD)
        assert len(whole(_gateway(server).fetch()).reports) == 1

    def test_are_not_followed_elsewhere(
        self, server: FeedServer, another_server: FeedServer
    ) -> None:
        another_server.serve("/stock", GOOD)
        server.serve("/stock", Answer(b"", 302, headers={"Location": another_server.url()}))
        assert "redirect leads away" in _unavailable(_gateway(server))
        assert another_server.requests == []

    @pytest.mark.parametrize("location", ["/stock", "http://[", "http:x", "", "ftp://127.0.0.1/"])
    def test_that_lead_nowhere(self, server: FeedServer, location: str) -> None:
        server.serve("/stock", Answer(b"", 302, headers={"Location": location}))
        _unavailable(_gateway(server))


class TestPages:
    def test_are_read_in_order(self, server: FeedServer) -> None:
        server.serve("/stock", _page("a", "b", following="?page=2"))
        server.serve("/stock?page=2", _page("c", following=server.url("/third#rows")))
        server.serve("/third", _page("d"))
        reports = whole(_gateway(server, PAGED).fetch()).reports
        assert [report.product_id for report in reports] == ["a", "b", "c", "d"]

    def test_elsewhere_are_not_asked_for(
        self, server: FeedServer, another_server: FeedServer
    ) -> None:
        for away in (another_server.url(), "https://127.0.0.1/stock", "ftp://127.0.0.1/", "//x/"):
            server.serve("/stock", _page("a", following=away))
            problem = "page 1, next: leads away from the configured scheme, host and port"
            assert _refused(_gateway(server, PAGED)) == problem
        assert another_server.requests == []

    @pytest.mark.parametrize("back", ["/stock", "?page=2", "/stock?page=2#x"])
    def test_that_go_in_circles_are_refused(self, server: FeedServer, back: str) -> None:
        server.serve("/stock", _page("a", following="?page=2"))
        server.serve("/stock?page=2", _page("b", following=back))
        assert "page 2, next: leads back" in _refused(_gateway(server, PAGED))
        assert len(server.requests) == 2

    def test_without_end_are_refused(
        self, server: FeedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(http, "MAX_PAGES", 3)
        server.serve("/stock", _page("p0", following="?1"))
        for number in range(1, 5):
            server.serve(f"/stock?{number}", _page(f"p{number}", following=f"?{number + 1}"))
        assert _refused(_gateway(server, PAGED)) == "more than 3 pages"
        assert len(server.requests) == 3

    def test_share_the_limit_of_bytes(
        self, server: FeedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        page = _page("a", following="?2")
        monkeypatch.setattr(http, "MAX_BYTES", len(page.body) + 1)
        server.serve("/stock", page)
        server.serve("/stock?2", _page("b"))
        assert _refused(_gateway(server, PAGED)).startswith("page 2, larger than")

    def test_one_that_is_broken_spoils_them_all(self, server: FeedServer) -> None:
        server.serve("/stock", _page("a", following="?2"))
        server.serve("/stock?2", Answer(b'{"rows": {}}'))
        assert "page 2, rows: must be a list" in _refused(_gateway(server, PAGED))

    def test_a_bad_row_says_on_which_it_stands(self, server: FeedServer) -> None:
        server.serve("/stock", _page("a", following="?2"))
        server.serve("/stock?2", Answer(b'{"rows": [{"product_id": "b"}]}'))
        [rejection] = whole(_gateway(server, PAGED).fetch()).rejections
        assert str(rejection).startswith("page 2, item 1, quantity: must be")

    def test_that_shift_while_they_are_read_are_read_again(self, server: FeedServer) -> None:
        server.serve("/stock", _page("a", following="?2"))
        server.serve("/stock?2", _page("a"), _page("b"))
        reports = whole(_gateway(server, PAGED).fetch()).reports
        assert [report.product_id for report in reports] == ["a", "b"]
        assert server.paths == ["/stock", "/stock?2"] * 2

    def test_that_never_stop_shifting_are_given_up(self, server: FeedServer) -> None:
        server.serve("/stock", _page("a", following="?2"))
        server.serve("/stock?2", _page("a"))
        assert "from page to page" in _unavailable(_gateway(server, PAGED))
        assert len(server.paths) == 6

    @pytest.mark.parametrize("link", ["http://a:b/", "A:////["])
    def test_have_addresses(self, server: FeedServer, link: str) -> None:
        server.serve("/stock", _page("a", following=link))
        assert _refused(_gateway(server, PAGED)).startswith("page 1, next: must be an address")

    def test_take_as_of_from_the_earliest(self, server: FeedServer) -> None:
        earlier = format_datetime(NOW - timedelta(days=1), usegmt=True)
        later = format_datetime(NOW - timedelta(hours=1), usegmt=True)
        first, second = _page("a", following="?2"), _page("b")
        server.serve("/stock", attrs.evolve(first, headers={"Last-Modified": later}))
        server.serve("/stock?2", attrs.evolve(second, headers={"Last-Modified": earlier}))
        assert whole(_gateway(server, PAGED).fetch()).as_of == NOW - timedelta(days=1)


class TestAge:
    """By the headers, where the feed itself says nothing."""

    def _as_of(self, server: FeedServer, **headers: str) -> datetime:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        server.serve("/stock", Answer(BODY, headers=names))
        snapshot = whole(_gateway(server).fetch())
        assert not snapshot.stated
        assert snapshot.as_of is not None
        return snapshot.as_of

    def test_last_modified_counts(self, server: FeedServer) -> None:
        as_of = self._as_of(server, Last_Modified="Thu, 01 Jan 2026 00:00:00 GMT")
        assert as_of == datetime(2026, 1, 1, tzinfo=UTC)

    def test_a_cached_copy_is_as_old_as_it_says(self, server: FeedServer) -> None:
        sent = datetime.now(UTC).replace(microsecond=0)
        as_of = self._as_of(server, Age="3600")
        assert timedelta(0) <= as_of - (sent - timedelta(hours=1)) < timedelta(seconds=30)

    def test_the_earliest_counts(self, server: FeedServer) -> None:
        headers = {"Last_Modified": "Thu, 01 Jan 2026 00:00:00 GMT", "Age": "60"}
        assert self._as_of(server, **headers) == datetime(2026, 1, 1, tzinfo=UTC)

    @pytest.mark.parametrize("value", ["0", "whenever", "2026-01-01", "Thu, 32 Jan 2026 00:00:00"])
    def test_what_makes_no_sense_says_nothing(self, server: FeedServer, value: str) -> None:
        before = datetime.now(UTC).replace(microsecond=0)
        assert self._as_of(server, Last_Modified=value, Age="old") >= before

    def test_it_does_not_count_where_the_feed_says_something(self, server: FeedServer) -> None:
        body = b'{"rows": [], "at": "2026-02-02T00:00:00Z"}'
        server.serve("/stock", Answer(body, headers={"Last-Modified": "whenever"}))
        feed_format = FeedFormat(kind="json", items="rows", as_of="at")
        snapshot = whole(_gateway(server, feed_format).fetch())
        assert (snapshot.as_of, snapshot.stated) == (datetime(2026, 2, 2, tzinfo=UTC), True)


class TestRequest:
    def test_headers_and_password_are_sent_and_never_shown(self, server: FeedServer) -> None:
        server.serve("/stock", _page("a", following=server.url("/2")))
        server.serve("/2", Answer(b"", 403))
        gateway = _gateway_at(server.url().replace("//", "//me:s3cret@"), PAGED)
        problem = _unavailable(gateway)
        assert "s3cret" not in problem + repr(gateway)
        for _, headers in server.requests:
            assert headers["X-Key"] == "s3cret"
            assert headers["Authorization"].startswith("Basic ")
            assert headers["Cache-Control"] == "no-cache"

    def test_a_proxy_is_not_asked_for_our_own_loopback(
        self, server: FeedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        server.serve("/stock", GOOD)
        assert len(whole(_gateway(server).fetch()).reports) == 1


class TestUnchanged:
    """A vendor that can say that nothing has changed is asked so."""

    MODIFIED = "Thu, 01 Jan 2026 00:00:00 GMT"

    def _asked(self, server: FeedServer) -> dict[str, str]:
        _, headers = server.requests[-1]
        return {name: value for name, value in headers.items() if name.startswith("If-")}

    def test_the_same_is_told_again_without_a_body(self, server: FeedServer) -> None:
        gateway = _gateway(server)
        validators = {"ETag": '"v1"', "Last-Modified": self.MODIFIED}
        server.serve("/stock", Answer(BODY, headers=validators), Answer(status=304))
        first = gateway.fetch()
        assert self._asked(server) == {}
        assert gateway.fetch() == first
        assert self._asked(server) == {"If-None-Match": '"v1"', "If-Modified-Since": self.MODIFIED}

    def test_without_a_date_it_is_of_when_it_was_said_to_be_unchanged(
        self, server: FeedServer
    ) -> None:
        gateway = _gateway(server)
        date = "Thu, 01 Jan 2026 00:00:0{} GMT"
        server.serve(
            "/stock",
            Answer(BODY, headers={"ETag": '"v1"', "Date": date.format(1)}),
            Answer(status=304, headers={"Date": date.format(5)}),
        )
        assert [whole(gateway.fetch()).as_of for _ in range(2)] == [
            datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC) for second in (1, 5)
        ]

    def test_what_has_changed_is_read(self, server: FeedServer) -> None:
        gateway = _gateway(server)
        changed = BODY.replace(b"5", b"6")
        server.serve("/stock", Answer(BODY, headers={"ETag": "a"}), Answer(changed), GOOD)
        assert [whole(gateway.fetch()).units for _ in range(3)] == [5, 6, 5]
        assert self._asked(server) == {}

    def test_nothing_is_unchanged_that_was_not_asked_so(self, server: FeedServer) -> None:
        server.serve("/stock", Answer(status=304))
        with pytest.raises(VendorUnavailable, match="304"):
            _gateway(server).fetch()

    def test_pages_are_read_each_time(self, server: FeedServer) -> None:
        gateway = _gateway(server, PAGED)
        tagged = {"ETag": "a"}
        server.serve("/stock", Answer(b'{"rows": [], "next": "/2"}', headers=tagged))
        server.serve("/2", Answer(b'{"rows": []}', headers=tagged))
        for _ in range(2):
            gateway.fetch()
            assert self._asked(server) == {}

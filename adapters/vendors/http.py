"""A vendor's feed over HTTP."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from http import HTTPStatus
from ipaddress import ip_address
from ssl import SSLContext
from typing import IO, Any

import attrs
import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_attempt,
    wait_exponential_jitter,
)

from ...domain.errors import InvalidSnapshot, InvalidValue, VendorUnavailable
from ...domain.stock import Vendor
from ...domain.stock_updates import StockUpdates
from ...domain.vendor_sync import Snapshot, VendorTerms
from ..system.log import Log
from .deadline import Deadline
from .feed import MAX_BYTES, TOO_LARGE, FeedFormat, FeedReader
from .paging import PageRequest, Paging
from .text import temporary_file

log = Log()

MAX_PAGES = 10_000
MAX_REDIRECTS = 5
# Of a feed whose pages shift meanwhile.
READINGS = 3
MAX_PORT = 65_535
# Of each page; between them 0.1 seconds, then 0.2, unless the vendor says how long to wait.
ATTEMPTS = 3
MAX_RETRY_AFTER = 5.0
# Seconds for a connection.
CONNECT_TIMEOUT = 10.0

_GROWING_PAUSE = wait_exponential_jitter(multiplier=0.1, jitter=0.1)
_ACCEPTED = {"json": "application/json, */*;q=0.5", "csv": "text/csv, */*;q=0.5"}
_ANY = "*/*"
_IF_NONE_MATCH, _IF_MODIFIED = "If-None-Match", "If-Modified-Since"
_OFF_ORIGIN = "leads away from the configured scheme, host and port"


def _to_url(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        raise InvalidValue("url", f"must be an address: {error}") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise InvalidValue("url", "must begin with http:// or https:// and a host")
    if url.port is not None and not 1 <= url.port <= MAX_PORT:
        raise InvalidValue("url", f"must have a port from 1 to {MAX_PORT}")
    return url


@attrs.frozen(kw_only=True)
class HttpVendorGateway:
    """VendorGateway on a document, or several pages of it, over HTTP.

    `as_of` is what the feed says, else the earliest that HTTP gives evidence of: `Last-Modified`,
    or `Date` less the `Age` of a cached copy. No other scheme, host or port than the configured one
    is ever asked.
    """

    vendor: Vendor
    # It may hold a password, as may the headers: neither is ever shown.
    url: httpx.URL = attrs.field(converter=_to_url, repr=False)
    feed_format: FeedFormat
    terms: VendorTerms = attrs.field(factory=VendorTerms)
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    # Seconds for the whole feed, all pages and attempts together.
    timeout: float = 60.0
    # A JSON document to POST; None: the feed is fetched with GET.
    body: Any = attrs.field(default=None, repr=False)
    paging: Paging = attrs.field(factory=Paging)
    auth: httpx.Auth | None = attrs.field(default=None, repr=False, eq=False)
    # What was read last of a feed of one page that says how to ask if it has changed.
    _last: list[_Unchanged] = attrs.field(factory=list, init=False, repr=False, eq=False)

    def fetch(self) -> Snapshot | StockUpdates:
        """Download and read the feed. Raises VendorUnavailable or InvalidSnapshot."""
        with Deadline(self.timeout) as deadline, self._client() as client:
            for _ in range(READINGS):
                last = next(iter(self._last), None)
                download = _Download(self, client, deadline, last)
                try:
                    reader = download.read()
                except _NotModified as answer:
                    return answer.unchanged.as_of(answer.dates)
                except (httpx.HTTPError, httpx.InvalidURL) as error:
                    raise VendorUnavailable(self.vendor.id, download.describe(error)) from error
                if reader.finish() and download.is_whole(reader):
                    return self._report(reader, download)
                log.warning("vendor.pages_shifted", vendor_id=self.vendor.id)
        raise VendorUnavailable(self.vendor.id, "products move from page to page while it is read")

    def _report(self, reader: FeedReader, download: _Download) -> Snapshot | StockUpdates:
        evidence = min(download.evidence, default=None)
        report = reader.report(evidence, download.version)
        self._last.clear()
        if isinstance(report, Snapshot) and download.validators:
            self._last.append(_Unchanged(report, download.validators))
        return report

    def _client(self) -> httpx.Client:
        # A client of its own for each call: none is left open, and none is shared by threads.
        return httpx.Client(
            headers={
                "Accept": _ACCEPTED.get(self.feed_format.kind, _ANY),
                "Cache-Control": "no-cache",
            }
            | dict(self.headers),
            auth=self.auth or self._auth_of_url(),
            timeout=httpx.Timeout(self.timeout, connect=min(self.timeout, CONNECT_TIMEOUT)),
            verify=_tls(),
            # A proxy cannot reach what listens on our own loopback.
            trust_env=not _is_loopback(self.url.host),
        )

    def _auth_of_url(self) -> httpx.Auth | None:
        if not self.url.userinfo:
            return None
        return httpx.BasicAuth(self.url.username, self.url.password)


@attrs.frozen
class _Unchanged:
    """A snapshot, and what to ask with if it has changed since."""

    snapshot: Snapshot
    validators: Mapping[str, str]

    def as_of(self, dates: Sequence[datetime]) -> Snapshot:
        """The same, as it is still; `dates` are those of the answer that says so."""
        modified = _http_date(self.validators.get(_IF_MODIFIED, ""))
        evidence = min([*dates, *filter(None, [modified])], default=None)
        if self.snapshot.stated:
            return self.snapshot
        return attrs.evolve(self.snapshot, as_of=evidence)


class _NotModified(Exception):
    """The feed is as it was."""

    def __init__(self, unchanged: _Unchanged, dates: Sequence[datetime]) -> None:
        super().__init__()
        self.unchanged = unchanged
        self.dates = dates


class _Download:
    """One call's way through the pages of a feed."""

    def __init__(
        self,
        gateway: HttpVendorGateway,
        client: httpx.Client,
        deadline: Deadline,
        last: _Unchanged | None = None,
    ) -> None:
        self._gateway = gateway
        self._client = client
        self._deadline = deadline
        self._bytes_left = MAX_BYTES
        self._total: int | None = None
        self._last = last
        # What the pages are of, by their own words; and how to ask if the only one has changed.
        self.version = ""
        self.validators: dict[str, str] = {}
        # How old the pages are at least, by the headers that came with them.
        self.evidence: list[datetime] = []

    def read(self) -> FeedReader:
        """All pages, in order."""
        paging = self._gateway.paging
        reader = FeedReader(self._gateway.feed_format, self._gateway.vendor)
        request: PageRequest | None = PageRequest(url=self._gateway.url, body=self._gateway.body)
        seen: set[tuple[str, str]] = set()
        while request is not None:
            many = seen or self._gateway.feed_format.next_page or paging.by != "link"
            place = f"page {len(seen) + 1}, " if many else ""
            seen.add(request.key)
            response, body = self._get(request, place)
            self.version += response.headers.get("Last-Modified", "")
            self.validators = _validators(response) if len(seen) == 1 else {}
            with body, reader.read(body, place) as page:
                self.evidence += _dates(response)
                self._total = paging.total_in(page)
                place += self._gateway.feed_format.next_page or paging.by
                try:
                    request = paging.following(request, response, page, len(seen), reader.rows)
                except InvalidValue as error:
                    raise self._invalid(f"{place}: {error.expected}") from error
            self._check_next(request, seen, place)
        return reader

    def is_whole(self, reader: FeedReader) -> bool:
        """Whether nothing has come or gone meanwhile."""
        return self._total in (None, reader.rows)

    def describe(self, error: BaseException) -> str:
        """What went wrong, in one line that shows no secret."""
        detail = " ".join(str(error).split()) or f"broken off ({type(error).__name__})"
        if self._deadline.expired:
            detail = f"no whole answer within {self._gateway.timeout:g} seconds"
        return f"{self._gateway.url.netloc.decode()}: {detail}"

    def _get(self, request: PageRequest, place: str) -> tuple[httpx.Response, IO[bytes]]:
        """Download one page, in a few attempts."""
        retrying = Retrying(
            retry=retry_if_exception(self._is_retryable),
            wait=self._pause,
            stop=stop_after_attempt(ATTEMPTS),
            before_sleep=self._log_retry,
            reraise=True,
        )
        return retrying(self._follow, request, place)

    def _is_retryable(self, error: BaseException) -> bool:
        """Whether to try again."""
        if self._deadline.expired:
            return False
        if not isinstance(error, httpx.HTTPStatusError):
            return isinstance(error, httpx.TransportError)
        status = error.response.status_code
        if status < HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.TOO_MANY_REQUESTS:
            return False
        wait = self._asked_to_wait(error)
        return wait is None or wait <= min(MAX_RETRY_AFTER, self._deadline.remaining)

    def _pause(self, state: RetryCallState) -> float:
        """Seconds before the next attempt."""
        wait = self._asked_to_wait(_error_of(state))
        return _GROWING_PAUSE(state) if wait is None else wait

    def _asked_to_wait(self, error: BaseException | None) -> float | None:
        """The seconds that the vendor asks us to wait, if it does."""
        if not isinstance(error, httpx.HTTPStatusError):
            return None
        return _retry_after(error.response)

    def _log_retry(self, state: RetryCallState) -> None:
        error = _error_of(state)
        log.warning(
            "vendor.waiting",
            vendor_id=self._gateway.vendor.id,
            reason=self.describe(error) if error else None,
            seconds=round(state.upcoming_sleep, 1),
        )

    def _follow(self, request: PageRequest, place: str) -> tuple[httpx.Response, IO[bytes]]:
        """One attempt; redirects are followed as long as they stay on this origin."""
        url = request.url
        method = "GET" if request.body is None else "POST"
        for _ in range(MAX_REDIRECTS + 1):
            extensions = {"trace": self._deadline.trace}
            is_first = not place and request.body is None
            headers = self._last.validators if self._last and is_first else {}
            with self._client.stream(
                method, url, json=request.body, headers=headers, extensions=extensions
            ) as response:
                if self._last and headers and response.status_code == HTTPStatus.NOT_MODIFIED:
                    raise _NotModified(self._last, _dates(response))
                if response.next_request is None:
                    return response, self._read(response, place)
                url = response.next_request.url
                if not self._is_own(url):
                    raise VendorUnavailable(
                        self._gateway.vendor.id, f"{place}redirect {_OFF_ORIGIN}"
                    )
        raise httpx.TooManyRedirects(f"more than {MAX_REDIRECTS} redirects")

    def _read(self, response: httpx.Response, place: str) -> IO[bytes]:
        status = response.status_code
        # Nothing but 200 is the whole feed: 206, say, is a part of it.
        if status != HTTPStatus.OK:
            answer = f"{status} {httpx.codes.get_reason_phrase(status)}".strip()
            raise httpx.HTTPStatusError(
                f"answered {answer}", request=response.request, response=response
            )
        self._require_framed_body(response, place)
        body = temporary_file()
        try:
            self._bytes_left -= self._copy(response, body, place)
        except BaseException:
            body.close()
            raise
        return body

    def _copy(self, response: httpx.Response, body: IO[bytes], place: str) -> int:
        """How many bytes there were."""
        length = 0
        for chunk in response.iter_bytes():
            body.write(chunk)
            length += len(chunk)
            if length > self._bytes_left:
                raise self._invalid(f"{place}{TOO_LARGE}")
        if self._deadline.expired:
            # Breaking the connection looks like the end of a body that states no length.
            raise httpx.ReadTimeout("", request=response.request)
        return length

    def _require_framed_body(self, response: httpx.Response, place: str) -> None:
        """Refuse CSV of which nobody can tell if it is all there; JSON shows its end itself."""
        if self._gateway.feed_format.kind == "csv" and not (
            "Content-Length" in response.headers or "Transfer-Encoding" in response.headers
        ):
            problem = f"{place}must state a Content-Length or be chunked, to be seen to be whole"
            raise self._invalid(problem)

    def _check_next(
        self, request: PageRequest | None, seen: set[tuple[str, str]], place: str
    ) -> None:
        if request is None:
            return
        if not self._is_own(request.url):
            raise self._invalid(f"{place}: {_OFF_ORIGIN}")
        if request.key in seen:
            raise self._invalid(f"{place}: leads back to an earlier page")
        if len(seen) >= MAX_PAGES:
            raise self._invalid(f"more than {MAX_PAGES} pages")

    def _invalid(self, problem: str) -> InvalidSnapshot:
        return InvalidSnapshot(self._gateway.vendor.id, problem)

    def _is_own(self, url: httpx.URL) -> bool:
        """Whether the address lies where the feed was configured to be."""
        return _origin(url) == _origin(self._gateway.url)


def _error_of(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _retry_after(response: httpx.Response) -> float | None:
    """The seconds that the vendor asks us to wait; until a time, by the vendor's own clock."""
    value = response.headers.get("Retry-After", "")
    if re.fullmatch(r"[0-9]{1,9}", value):
        return float(value)
    until, now = _http_date(value), _http_date(response.headers.get("Date", ""))
    return None if until is None or now is None else max(0.0, (until - now).total_seconds())


def _dates(response: httpx.Response) -> list[datetime]:
    """What the headers say of the content's age; one that makes no sense says nothing."""
    modified = _http_date(response.headers.get("Last-Modified", ""))
    sent = _http_date(response.headers.get("Date", ""))
    age = response.headers.get("Age", "")
    if sent is not None and re.fullmatch(r"[0-9]{1,9}", age):
        sent -= timedelta(seconds=int(age))
    return [date for date in (modified, sent) if date is not None]


def _validators(response: httpx.Response) -> dict[str, str]:
    """What to send when the same is asked for again (RFC 9110, 13.1)."""
    given = {
        _IF_NONE_MATCH: response.headers.get("ETag"),
        _IF_MODIFIED: response.headers.get("Last-Modified"),
    }
    return {name: value for name, value in given.items() if value}


def _http_date(value: str) -> datetime | None:
    try:
        timestamp = parsedate_to_datetime(value)
        # "-0000" is UTC of which the sender's time zone is unknown.
        return (timestamp if timestamp.tzinfo else timestamp.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@cache
def _tls() -> SSLContext:
    """Reading the certificates takes longer than a fetch; a context may be shared by threads."""
    return httpx.create_ssl_context()

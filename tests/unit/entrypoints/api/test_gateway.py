"""From granian's interface to WSGI and back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from threading import Event, get_ident
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import attrs
import pytest
from granian.rsgi import ProtocolClosed  # type: ignore[attr-defined]

from order_aggregator.entrypoints.api.gateway import Gateway, environ_of
from order_aggregator.entrypoints.api.services import Limits
from order_aggregator.entrypoints.api.waits import LoopWaits

ORDER = "/v1/api/order"
Application = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]


@attrs.frozen
class Headers:
    """What granian makes of a request's headers: it passes on no value that is not ASCII."""

    given: Sequence[tuple[str, str]]

    def items(self) -> list[tuple[str, str]]:
        return [(name, value) for name, value in self.given if value.isascii()]

    def keys(self) -> list[str]:
        return list(dict.fromkeys(name for name, _ in self.given))

    def get(self, name: str) -> str | None:
        return dict(self.given).get(name)

    def __contains__(self, name: str) -> bool:
        return name in dict(self.given)


@attrs.frozen(kw_only=True)
class Scope:
    method: str = "GET"
    path: str = "/"
    query_string: str = ""
    headers: Headers = Headers([("host", "shop.example")])
    server: str = "127.0.0.1:3000"
    client: str = "10.0.0.7:5000"
    scheme: str = "http"
    http_version: str = "1.1"


@attrs.define
class Exchange:
    """The other side of a request: sends its body, and keeps the answer."""

    body: bytes = b""
    seconds: float = 0
    broken: bool = False
    gone: bool = False
    answer: tuple[int, dict[str, str], bytes] | None = None

    async def __call__(self) -> bytes:
        await asyncio.sleep(self.seconds)
        if self.broken:
            raise ProtocolClosed
        return self.body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.body

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        if self.gone:
            raise ProtocolClosed
        self.answer = status, dict(headers), body


def ask(gateway: Gateway, scope: Scope, exchange: Exchange) -> tuple[int, dict[str, str], bytes]:
    asyncio.run(gateway(scope, exchange))  # type: ignore[arg-type]
    assert exchange.answer
    return exchange.answer


@contextmanager
def serving(application: Application, **limits: Any) -> Iterator[Gateway]:
    gateway = Gateway(application, Limits(**limits), 4, lambda: None)
    yield gateway
    with closing(asyncio.new_event_loop()) as loop:
        gateway.__rsgi_del__(loop)


def echo(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("X-Path", environ["PATH_INFO"])])
    return [environ["wsgi.input"].read(), b"!"]


def post(path: str, length: int | None, *more: tuple[str, str]) -> Scope:
    headers = [] if length is None else [("content-length", str(length))]
    return Scope(method="POST", path=path, headers=Headers([*headers, *more]))


@pytest.mark.parametrize("path", [ORDER, "/v1/api/sync"])
def test_a_request_is_passed_on_and_its_answer_back(path: str) -> None:
    with serving(echo) as gateway:
        answer = ask(gateway, post(path, 2), Exchange(b"{}"))
    assert answer == (200, {"X-Path": path}, b"{}!")


def test_a_request_in_the_words_of_wsgi() -> None:
    environ = environ_of(
        Scope(  # type: ignore[arg-type]
            method="POST",
            path="/stock/ä",
            query_string="page=2",
            headers=Headers(
                [
                    ("content-type", "application/json"),
                    ("accept", "a"),
                    ("accept", "b"),
                    ("idempotency-key", "kä"),
                    # In WSGI's words, that would be the same as with a dash.
                    ("accept_", "c"),
                    ("x_forwarded_for", "10.0.0.1"),
                ]
            ),
        ),
        b"{}",
    )
    read = {key: environ[key] for key in environ if not key.startswith("wsgi.")}
    assert read == {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/stock/ä".encode().decode("latin-1"),
        "QUERY_STRING": "page=2",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "3000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "10.0.0.7",
        "CONTENT_TYPE": "application/json",
        "HTTP_ACCEPT": "a,b",
        # There was one, and it was not read: it must not look as if there had been none.
        "HTTP_IDEMPOTENCY_KEY": "\x80",
    }
    assert environ["wsgi.input"].read() == b"{}"


@pytest.mark.parametrize(
    ("scope", "exchange", "status", "slug"),
    [
        (post(ORDER, None, ("transfer-encoding", "chunked")), Exchange(), 411, "length-required"),
        (post(ORDER, 11), Exchange(b" " * 11), 413, "content-too-large"),
        (post(ORDER, 10**12), Exchange(), 413, "content-too-large"),
        (post(ORDER, 2), Exchange(seconds=5), 408, "request-timeout"),
        (post(ORDER, 2), Exchange(broken=True), 400, "bad-request"),
    ],
)
def test_a_body_that_cannot_be_had_never_gets_to_the_application(
    scope: Scope, exchange: Exchange, status: int, slug: str
) -> None:
    def never(_environ: WSGIEnvironment, _start: StartResponse) -> Iterable[bytes]:
        raise AssertionError

    with serving(never, max_body_bytes=10, patience=0.05) as gateway:
        answer = ask(gateway, scope, exchange)
        # And its place is free again.
        for _ in range(3):
            ask(gateway, scope, exchange)
    assert answer[0] == status
    assert f":{slug}".encode() in answer[2]
    assert answer[1]["Content-Type"] == "application/problem+json"


def test_orders_wait_side_by_side_in_one_thread_and_the_rest_has_others() -> None:
    new_wait = LoopWaits()
    threads: dict[str, set[int]] = {ORDER: set(), "/stock": set()}
    all_here = Event()

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        threads[environ["PATH_INFO"]].add(get_ident())
        if environ["PATH_INFO"] == ORDER:
            wait = new_wait()
            asyncio.get_running_loop().call_soon(wait.wake)
            assert wait.sleep(10)
        else:
            assert all_here.wait(10)
        start_response("200 OK", [])
        return [b""]

    async def main(gateway: Gateway) -> list[Exchange]:
        exchanges = [Exchange() for _ in range(104)]
        reads = [gateway(Scope(path="/stock"), each) for each in exchanges[:4]]  # type: ignore[arg-type]
        orders = [gateway(post(ORDER, 0), each) for each in exchanges[4:]]  # type: ignore[arg-type]
        reading = asyncio.gather(*reads)
        await asyncio.gather(*orders)
        all_here.set()
        await reading
        return exchanges

    with serving(application) as gateway:
        exchanges = asyncio.run(main(gateway))
    assert [each.answer and each.answer[0] for each in exchanges] == [200] * 104
    assert threads[ORDER] == {get_ident()}
    assert not threads["/stock"] & threads[ORDER]


def test_more_than_can_wait_are_refused_at_once_each_kind_for_itself() -> None:
    go_on = Event()

    def application(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        assert go_on.wait(10)
        start_response("200 OK", [])
        return [b""]

    async def main(gateway: Gateway) -> list[int]:
        exchanges = [Exchange() for _ in range(5)]
        waiting = asyncio.gather(
            *(gateway(Scope(path="/stock"), each) for each in exchanges)  # type: ignore[arg-type]
        )
        await asyncio.sleep(0.05)
        refused = [each.answer[0] for each in exchanges if each.answer]
        go_on.set()
        await waiting
        order = Exchange()
        await gateway(post(ORDER, 0), order)  # type: ignore[arg-type]
        return [*refused, *(each.answer[0] for each in [*exchanges, order] if each.answer)]

    with serving(application, max_waiting=3) as gateway:
        assert asyncio.run(main(gateway)) == [503, 503, 200, 200, 200, 503, 503, 200]


def test_a_client_that_has_gone_is_no_fault() -> None:
    with serving(echo) as gateway:
        asyncio.run(gateway(Scope(), Exchange(gone=True)))  # type: ignore[arg-type]


def test_an_answer_is_closed_as_wsgi_asks_for() -> None:
    closed = Event()

    class Body(list[bytes]):
        def close(self) -> None:
            closed.set()

    def application(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        return Body([b"x"])

    with serving(application) as gateway:
        ask(gateway, Scope(), Exchange())
    assert closed.is_set()

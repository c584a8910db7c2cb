"""From HTTP to the WSGI application and back, with real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, closing
from threading import Event, get_ident
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest

from api_under_test import ApiUnderTest
from order_aggregator.entrypoints.api.concurrency import Sleep, Turns
from order_aggregator.entrypoints.api.gateway import Gateway
from order_aggregator.entrypoints.api.services import Limits
from wire import Received, connect, run, ticking, until

ORDER = b"POST /v1/api/order HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
READ = b"GET /v1/api/stock HTTP/1.1\r\n\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\n\r\n"


@asynccontextmanager
async def serving(
    application: Any, close: Callable[[], None] = lambda: None, **limits: Any
) -> AsyncIterator[Gateway]:
    """Serve an application, or what a class makes of the turns."""
    turns = Turns()
    made = application(turns) if isinstance(application, type) else application
    gateway = Gateway(made, Limits(**limits), turns, 4, close)
    async with ticking(gateway.connections):
        yield gateway
        await gateway.close()


def answers_to(
    *requests: bytes, application: Any, ends: bool = False, **limits: Any
) -> list[Received]:
    """Each of them sent on a connection of its own, all at once. `ends`: and broken off."""

    async def ask(gateway: Gateway, request: bytes) -> Received:
        with closing(await connect(gateway.connections)) as client:
            await client.send(request)
            if ends:
                client.end_sending()
            return await client.receive()

    async def main() -> list[Received]:
        async with serving(application, **limits) as gateway:
            return await asyncio.gather(*(ask(gateway, request) for request in requests))

    return run(main())


def environ_of(request: bytes) -> WSGIEnvironment:
    """What the application sees of it."""
    seen: list[WSGIEnvironment] = []

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        seen.append(environ)
        start_response("200 OK", [])
        return []

    answers_to(request, application=application)
    return seen[0]


def echo(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("X-Path", environ["PATH_INFO"])])
    return [environ["wsgi.input"].read(), b"!"]


def never(_environ: WSGIEnvironment, _start: StartResponse) -> Iterable[bytes]:
    raise AssertionError


class Sleeping:
    """An application whose orders sleep, and whose other answers block, until they are let go."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.asleep: list[Sleep] = []
        self.go_on = Event()
        self.threads: dict[str, set[int]] = {"POST": set(), "GET": set()}

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        self.threads[environ["REQUEST_METHOD"]].add(get_ident())
        if environ["REQUEST_METHOD"] == "POST":
            self.asleep.append(self.turns.sleep())
            assert self.asleep[-1].until_woken(10)
        elif environ["PATH_INFO"] != "/healthz":
            assert self.go_on.wait(10)
        start("200 OK", [])
        return [b""]

    def let_go(self) -> None:
        self.go_on.set()
        for sleep in self.asleep:
            sleep.wake()


def sleeping(gateway: Gateway) -> Sleeping:
    """The application that it serves."""
    assert isinstance(gateway._application, Sleeping)
    return gateway._application


@pytest.mark.parametrize("path", ["/v1/api/order", "/v1/api/sync"])
def test_a_request_is_passed_on_and_its_answer_back(path: str) -> None:
    request = b"POST %s HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}" % path.encode()
    [answer] = answers_to(request, application=echo)
    assert (answer.status, answer.headers["X-Path"], answer.body) == (200, path, b"{}!")


def test_a_request_in_the_words_of_wsgi() -> None:
    environ = environ_of(
        b"POST /stock/%C3%A4?page=2&x=%2F HTTP/1.1\r\n"
        b"Host: shop.example\r\n"
        b"Content-Type: application/json\r\n"
        b"Accept: a\r\nACCEPT: b\r\n"
        # White space around a value is no part of it (RFC 9110, 5.5).
        b"Idempotency-Key: \t k\xc3\xa4 \t\r\n"
        # In WSGI's words, these would be the same as with a dash.
        b"Accept_: c\r\nX_Forwarded_For: 10.0.0.1\r\nContent_Length: 7\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
        b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
    )
    read = {key: environ[key] for key in environ if not key.startswith("wsgi.")}
    assert read == {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/stock/ä".encode().decode("latin-1"),
        "QUERY_STRING": "page=2&x=%2F",
        "SERVER_NAME": "",
        "SERVER_PORT": "0",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "",
        "HTTP_HOST": "shop.example",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": "2",
        "HTTP_ACCEPT": "a,b",
        "HTTP_IDEMPOTENCY_KEY": "kä".encode().decode("latin-1"),
    }
    assert environ["wsgi.input"].read() == b"{}"


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/a%2fb/%c3%a4?x=%c3", b"/a/b/\xc3\xa4", "x=%c3"),
        (b"/a?b?c", b"/a", "b?c"),
        (b"/a?b=http://c/d", b"/a", "b=http://c/d"),
        (b"/a://b/c", b"/a://b/c", ""),
        (b"//a//b", b"/a//b", ""),
        (b"http://shop.example/a//b?x=1", b"/a//b", "x=1"),
        (b"http://shop.example?x=1", b"/", "x=1"),
        (b"http://shop.example", b"/", ""),
        (b"http://[", b"/", ""),
    ],
)
def test_a_target_is_a_path_and_a_query(target: bytes, path: bytes, query: str) -> None:
    environ = environ_of(b"GET %s HTTP/1.1\r\n\r\n" % target)
    assert environ["PATH_INFO"].encode("latin-1") == path
    assert environ["QUERY_STRING"] == query


@pytest.mark.parametrize(
    "target",
    [
        b"/v1/api/order",
        b"/v1/api/order?x=1",
        b"/v1/api/%6frder",
        b"//v1/api/order",
        b"http://shop.example/v1/api/order",
    ],
)
def test_an_order_is_placed_in_the_loop_however_its_path_is_written(target: bytes) -> None:
    body = b'{"product_id": "BOLT", "quantity": 1}'
    head = b"POST %s HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    [answer] = answers_to(head % (target, len(body)) + body, application=OrderingApi)
    assert answer.status == 202, answer.body


class OrderingApi:
    """The real application, whose orders are placed in these turns."""

    def __init__(self, turns: Turns) -> None:
        self._app = ApiUnderTest(concurrency=turns).app

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        return self._app(environ, start)


@pytest.mark.parametrize(
    ("request_", "status", "slug"),
    [
        (ORDER[:-1], 400, "bad-request"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", 400, "bad-request"),
        (b"garbage\r\n\r\n", 400, "bad-request"),
        (b"POST / HTTP/1.1\r\nContent-Length: 11\r\n\r\n12345678901", 413, "content-too-large"),
        (
            b"GET / HTTP/1.1\r\nX: %s\r\n\r\n" % (b"x" * 70_000),
            431,
            "request-header-fields-too-large",
        ),
    ],
)
def test_what_cannot_be_had_whole_never_gets_to_the_application(
    request_: bytes, status: int, slug: str
) -> None:
    # More often than there are places.
    for answer in answers_to(
        *[request_] * 3, application=never, ends=True, max_body_bytes=10, max_waiting=1
    ):
        assert answer.status == status
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert json.loads(answer.body)["type"].endswith(f":{slug}")


def test_a_request_that_does_not_come_in_time_is_refused() -> None:
    [answer] = answers_to(ORDER[:-1], application=never, patience=0.05)
    assert answer.status == 408
    assert json.loads(answer.body)["type"].endswith(":request-timeout")


@pytest.mark.parametrize("request_", [ORDER, READ])
def test_an_application_that_breaks_is_an_internal_error_and_no_end(
    request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(_environ: WSGIEnvironment, _start: StartResponse) -> Iterable[bytes]:
        raise ZeroDivisionError("secret")

    for answer in answers_to(*[request_ * 2] * 3, application=breaks):
        assert answer.status == 500
        assert b"secret" not in answer.body


def test_orders_wait_side_by_side_in_one_thread_and_the_rest_has_others() -> None:
    async def main() -> Sleeping:
        async with serving(Sleeping) as gateway:
            application = sleeping(gateway)
            clients = [await connect(gateway.connections) for _ in range(104)]
            for client in clients[:4]:
                await client.send(READ)
            for client in clients[4:]:
                await client.send(ORDER)
            await until(lambda: len(application.asleep) == 100)
            application.let_go()
            assert [(await client.receive()).status for client in clients] == [200] * 104
            for client in clients:
                client.close()
            return application

    threads = run(main()).threads
    assert threads["POST"] == {get_ident()}
    assert len(threads["GET"]) == 4
    assert get_ident() not in threads["GET"]


@pytest.mark.parametrize(("full", "other"), [(ORDER, READ), (READ, ORDER)])
def test_more_than_can_wait_are_refused_at_once_each_kind_for_itself(
    full: bytes, other: bytes
) -> None:
    async def main() -> None:
        async with serving(Sleeping, max_waiting=3) as gateway:
            application = sleeping(gateway)
            clients = [await connect(gateway.connections) for _ in range(6)]
            for client in clients[:3]:
                await client.send(full)
            # Even when they come in crowds, on one connection.
            await clients[3].send(full * 1000)
            for _ in range(1000):
                refused = await clients[3].receive()
                assert refused.status == 503
                assert refused.headers["Retry-After"] == "1"
                assert json.loads(refused.body)["type"].endswith(":overloaded")
            await clients[4].send(other)
            await until(lambda: gateway._free == {full == ORDER: 0, other == ORDER: 2})
            await until(lambda: len(application.asleep) == 3 - gateway._free[True])
            # However much waits, we are alive.
            await clients[5].send(HEALTH)
            assert (await clients[5].receive()).status == 200
            application.let_go()
            for client in [*clients[:3], clients[4]]:
                assert (await client.receive()).status == 200
            assert gateway._free == {True: 3, False: 3}
            for client in clients:
                client.close()

    run(main())


def test_an_order_whose_client_has_gone_is_placed_all_the_same() -> None:
    placed: list[str] = []

    class Placing(Sleeping):
        def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
            answer = super().__call__(environ, start)
            placed.append("order")
            return answer

    async def main() -> None:
        async with serving(Placing) as gateway:
            application = sleeping(gateway)
            client = await connect(gateway.connections)
            # It does not read that it should go on, so its end is heard of at once.
            await client.send(ORDER.replace(b"HTTP/1.1", b"HTTP/1.1\r\nExpect: 100-continue"))
            await until(lambda: bool(application.asleep))
            client.close()
            await until(lambda: not gateway.connections.open)
            # Even if we are told to stop.
            ending = asyncio.create_task(gateway.close())
            await asyncio.sleep(0.01)
            assert not ending.done()
            application.let_go()
            await ending

    run(main())
    assert placed == ["order"]


def test_an_answer_has_a_length_even_if_the_application_gives_none() -> None:
    answers = answers_to(READ, application=echo)
    assert answers[0].headers["Content-Length"] == "1"


def test_an_answer_is_closed_as_wsgi_asks_for() -> None:
    closed = Event()

    class Body(list[bytes]):
        def close(self) -> None:
            closed.set()

    def application(_environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        return Body([b"x"])

    answers_to(READ, application=application)
    assert closed.is_set()


def test_closing_answers_what_is_in_hand_and_only_then_ends_the_application() -> None:
    async def main() -> list[str]:
        ended: list[str] = []
        async with serving(Sleeping, close=lambda: ended.append("ended")) as gateway:
            application = sleeping(gateway)
            idle, buyer, reader = [await connect(gateway.connections) for _ in range(3)]
            await buyer.send(ORDER)
            await reader.send(READ)
            await until(lambda: bool(application.asleep))
            ending = asyncio.create_task(gateway.close())
            assert await idle.is_closed()
            assert ended == []
            application.let_go()
            answers = [await client.receive() for client in (buyer, reader)]
            await ending
            for client in (idle, buyer, reader):
                client.close()
            assert ended == ["ended"]
            return [answer.headers["Connection"] for answer in answers]

    assert run(main()) == ["close", "close"]

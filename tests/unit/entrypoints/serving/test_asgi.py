"""From HTTP to Flask and back, over sockets and with the server that the product has."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from http import HTTPStatus
from threading import Event, get_ident
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import httpx
import pytest
from flask import Flask

from api_under_test import ApiUnderTest
from asgi_servers import Server, everything, serving_hypercorn, serving_uvicorn
from order_aggregator.entrypoints.api.scheduling import GreenletScheduler, Waiter
from order_aggregator.entrypoints.api.services import Limits
from order_aggregator.entrypoints.serving.asgi import AsgiApplication
from service import eventually

ORDER = b"POST /v1/api/order HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
READ = b"GET /v1/api/stock HTTP/1.1\r\nHost: x\r\n\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = b"POST /v1/api/order HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
BOLT = b'{"product_id": "BOLT", "quantity": 1}'
THREADS = 4

Serving = Callable[[AsgiApplication], AbstractContextManager[Server]]
Application = Callable[[GreenletScheduler], WSGIApplication]


@contextmanager
def serving(
    application: Application, server: Serving = serving_uvicorn, **limits: Any
) -> Iterator[Server]:
    """Serve what is made of the turns in the place of the product's views."""

    @contextmanager
    def build(scheduler: GreenletScheduler) -> Iterator[Flask]:
        api = ApiUnderTest(Limits(**limits), scheduler)
        api.app.wsgi_app = application(scheduler)  # type: ignore[assignment, method-assign]
        yield api.app

    with server(AsgiApplication(build, threads=THREADS)) as served:
        yield served


@pytest.fixture(params=[serving_uvicorn, serving_hypercorn])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The product's views, by the product's server and by another one."""

    @contextmanager
    def build(scheduler: GreenletScheduler) -> Iterator[Flask]:
        yield ApiUnderTest(Limits(max_body_bytes=1000), scheduler).app

    with request.param(AsgiApplication(build, threads=THREADS)) as served:
        yield served


def url(server: Server, path: str) -> str:
    return f"http://127.0.0.1:{server.port}{path}"


def echo(_scheduler: GreenletScheduler) -> WSGIApplication:
    def application(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        start("200 OK", [("X-Path", environ["PATH_INFO"])])
        return [environ["wsgi.input"].read(), b"!"]

    return application


def never(_scheduler: GreenletScheduler) -> WSGIApplication:
    def application(_environ: WSGIEnvironment, _start: StartResponse) -> Iterable[bytes]:
        raise AssertionError

    return application


class Sleeping:
    """An application whose orders sleep, and whose other responses block, until let go."""

    def __init__(self, scheduler: GreenletScheduler) -> None:
        self.scheduler = scheduler
        self.asleep: list[Waiter] = []
        self.woken = Event()
        self.threads: dict[str, set[int]] = {"POST": set(), "GET": set()}
        self.placed = 0

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        self.threads[environ["REQUEST_METHOD"]].add(get_ident())
        if environ["REQUEST_METHOD"] == "POST":
            self.asleep.append(self.scheduler.waiter())
            while not self.woken.is_set():
                self.asleep[-1].wait(0.02)
                self.asleep[-1] = self.scheduler.waiter()
            self.placed += 1
        elif environ["PATH_INFO"] != "/healthz":
            assert self.woken.wait(10)
        start("200 OK", [])
        return [b""]


@contextmanager
def serving_sleeping(**limits: Any) -> Iterator[tuple[Server, Sleeping]]:
    made: list[Sleeping] = []

    def make(scheduler: GreenletScheduler) -> Sleeping:
        made.append(Sleeping(scheduler))
        return made[0]

    with serving(make, **limits) as server:
        try:
            yield server, made[0]
        finally:
            made[0].woken.set()


def response(connection: socket.socket) -> bytes:
    """The next one, small enough to come at once."""
    return connection.recv(65536)


def status(response: bytes) -> int:
    return int(response.split()[1])


class TestAnyServer:
    def test_an_order_is_placed_and_seen(self, server: Server) -> None:
        for target in ("/v1/api/order", "/v1/api/%6frder", "/v1/api/order?x=1"):
            placed = httpx.post(url(server, target), json={"product_id": "BOLT", "quantity": 1})
            assert placed.status_code == HTTPStatus.ACCEPTED
            seen = httpx.get(url(server, placed.headers["Location"]))
            assert seen.json()["id"] == placed.json()["id"]

    def test_ids_come_through_whatever_they_are_made_of(self, server: Server) -> None:
        assert httpx.get(url(server, "/v1/api/stock/a%2Fb%2F%2Fc%20%3F%23%2541%C3%BC")).json()

    def test_bare_paths_lead_on(self, server: Server) -> None:
        assert httpx.get(url(server, "/stock"), follow_redirects=True).json()

    def test_health_needs_no_stock(self, server: Server) -> None:
        assert httpx.get(url(server, "/healthz")).json() == {"status": "ok"}

    def test_a_body_may_come_in_chunks(self, server: Server) -> None:
        placed = httpx.post(
            url(server, "/v1/api/order"),
            content=iter([BOLT[:5], BOLT[5:]]),
            headers={"Content-Type": "application/json"},
        )
        assert placed.status_code == HTTPStatus.ACCEPTED

    @pytest.mark.parametrize("declared", [True, False])
    def test_a_body_that_is_too_large_is_refused(self, server: Server, declared: bool) -> None:
        body = b" " * 1001
        refused = httpx.post(
            url(server, "/v1/api/order"), content=body if declared else iter([body])
        )
        assert refused.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        assert refused.json()["type"].endswith(":content-too-large")

    def test_a_body_that_breaks_off_places_nothing(self, server: Server) -> None:
        for request in (
            b"POST /v1/api/order HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(BOLT) + 1, BOLT),
            CHUNKED + b"%x\r\n%s\r\n" % (len(BOLT), BOLT),
        ):
            with server.connect() as connection:
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
                assert b" 202 " not in everything(connection)
        assert httpx.get(url(server, "/v1/api/order")).json() == []


def build_environ(request: bytes) -> WSGIEnvironment:
    """What the application sees of it."""
    seen: list[WSGIEnvironment] = []

    def make(_scheduler: GreenletScheduler) -> WSGIApplication:
        def application(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
            seen.append(environ)
            start("200 OK", [])
            return []

        return application

    with serving(make) as server, server.connect() as connection:
        connection.sendall(request)
        response(connection)
    return seen[0]


def test_a_request_in_the_words_of_wsgi() -> None:
    environ = build_environ(
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
    read = {key: environ[key] for key in environ if not key.startswith(("wsgi.", "werkzeug"))}
    assert read.pop("SERVER_PORT").isdecimal()
    assert read == {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/stock/ä".encode().decode("latin-1"),
        "QUERY_STRING": "page=2&x=%2F",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "shop.example",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": "2",
        "HTTP_ACCEPT": "a,b",
        "HTTP_IDEMPOTENCY_KEY": "kä".encode().decode("latin-1"),
    }
    assert environ["wsgi.input"].read() == b"{}"


@pytest.mark.parametrize("request_", [ORDER, READ])
def test_a_request_is_passed_on_and_its_response_back(request_: bytes) -> None:
    with serving(echo) as server, server.connect() as connection:
        connection.sendall(request_)
        got = response(connection)
        assert status(got) == HTTPStatus.OK
        assert b"x-path: " + request_.split()[1] + b"\r\n" in got
        assert b"content-length: " in got
        assert got.endswith(b"{}!" if request_ == ORDER else b"\r\n\r\n!")


def test_a_body_that_does_not_come_in_time_is_refused_and_the_connection_closed() -> None:
    with serving(never, timeout=0.05) as server:
        refused = server.responses(ORDER[:-1])
    assert status(refused) == HTTPStatus.REQUEST_TIMEOUT
    assert b":request-timeout" in refused


def test_a_body_that_is_declared_too_large_is_refused_before_it_comes() -> None:
    with serving(echo, max_body_bytes=1000) as server, server.connect() as connection:
        head = b"POST /v1/api/order HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
        connection.sendall(head)
        assert status(response(connection)) == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        # What it sends all the same is taken in, and not for another request.
        connection.sendall(READ * (100_000 // len(READ)) + b" " * (100_000 % len(READ)))
        connection.sendall(HEALTH)
        assert b"x-path: /healthz\r\n" in response(connection)


@pytest.mark.parametrize("request_", [ORDER, READ])
def test_an_application_that_breaks_is_an_internal_error_and_no_end(request_: bytes) -> None:
    def make(_scheduler: GreenletScheduler) -> WSGIApplication:
        def breaks(_environ: WSGIEnvironment, _start: StartResponse) -> Iterable[bytes]:
            raise ZeroDivisionError("secret")

        return breaks

    with serving(make) as server, server.connect() as connection:
        for _ in range(3):
            connection.sendall(request_)
            got = response(connection)
            assert status(got) == HTTPStatus.INTERNAL_SERVER_ERROR
            assert b"secret" not in got


def test_orders_wait_side_by_side_in_one_thread_and_the_rest_has_others() -> None:
    with serving_sleeping() as (server, application), ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(104)]
        for client in clients[:4]:
            client.sendall(READ)
        for client in clients[4:]:
            client.sendall(ORDER)
        eventually(lambda: len(application.asleep) == 100)
        application.woken.set()
        assert [status(response(client)) for client in clients] == [200] * 104
        assert len(application.threads["POST"]) == 1
        assert len(application.threads["GET"]) == THREADS
        assert not application.threads["GET"] & application.threads["POST"]


@pytest.mark.parametrize(("full", "other"), [(ORDER, READ), (READ, ORDER)])
def test_more_than_can_wait_are_refused_at_once_each_kind_for_itself(
    full: bytes, other: bytes
) -> None:
    with serving_sleeping(max_waiting=3) as (server, application), ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(6)]
        for client in clients[:3]:
            client.sendall(full)
        time.sleep(0.1)
        for _ in range(20):
            clients[3].sendall(full)
            refused = response(clients[3])
            assert status(refused) == HTTPStatus.SERVICE_UNAVAILABLE
            assert re.search(rb"retry-after: [123]\r\n", refused)
            assert re.search(rb"x-request-id: [0-9a-f]{32}\r\n", refused)
            assert json.loads(refused.split(b"\r\n\r\n")[1])["type"].endswith(":overloaded")
        clients[4].sendall(other)
        # However much waits, we are alive.
        clients[5].sendall(HEALTH)
        assert status(response(clients[5])) == HTTPStatus.OK
        application.woken.set()
        for client in [*clients[:3], clients[4]]:
            assert status(response(client)) == HTTPStatus.OK
        for client in clients[:3]:
            client.sendall(full)
            assert status(response(client)) == HTTPStatus.OK


def test_clients_that_stall_take_up_no_room() -> None:
    with serving(echo, max_waiting=3) as server, ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(server.connect()).sendall(ORDER[:-1])
        time.sleep(0.1)
        with server.connect() as client:
            client.sendall(ORDER)
            assert status(response(client)) == HTTPStatus.OK


def test_an_order_whose_client_has_gone_is_placed_all_the_same() -> None:
    with serving_sleeping() as (server, application):
        with server.connect() as client:
            client.sendall(ORDER)
            eventually(lambda: bool(application.asleep))
        application.woken.set()
        eventually(lambda: application.placed == 1)


def test_a_stop_answers_what_is_in_hand() -> None:
    with serving_sleeping() as (server, application), ExitStack() as stack:
        idle, buyer, reader = [stack.enter_context(server.connect()) for _ in range(3)]
        buyer.sendall(ORDER)
        reader.sendall(READ)
        eventually(lambda: bool(application.asleep and application.threads["GET"]))
        server.stop()
        assert idle.recv(1) == b""
        application.woken.set()
        for client in (buyer, reader):
            got = everything(client)
            assert status(got) == HTTPStatus.OK
            assert b"connection: close\r\n" in got


def test_a_response_is_closed_as_wsgi_asks_for() -> None:
    closed = Event()

    class Body(list[bytes]):
        def close(self) -> None:
            closed.set()

    def make(_scheduler: GreenletScheduler) -> WSGIApplication:
        def application(_environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
            start("200 OK", [])
            return Body([b"x"])

        return application

    with serving(make) as server, server.connect() as connection:
        connection.sendall(READ)
        response(connection)
    assert closed.is_set()


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01",
        b"hello\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nno header\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\0c\r\n\r\n",
        b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length : 0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: +2\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nContent-Length: -2\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        CHUNKED + b"-1\r\n{\r\n",
        CHUNKED + b"1\r\n{}\r\n0\r\n\r\n",
        CHUNKED + b"1\n{\r\n0\r\n\r\n",
        CHUNKED + b"1;a\nb\r\n{\r\n0\r\n\r\n",
    ],
)
def test_what_could_be_read_in_two_ways_is_refused_and_nothing_read_after_it(
    request_: bytes,
) -> None:
    """Who knows where the next request begins: a proxy before us may think otherwise."""
    smuggled = b"PUT /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    with serving(echo) as server:
        got = server.responses(request_ + smuggled)
    assert status(got) == HTTPStatus.BAD_REQUEST
    assert b"smuggled" not in got
    assert got.count(b"HTTP/1.1 ") == 1

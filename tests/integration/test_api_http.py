"""What only a real server and a real socket show."""

from __future__ import annotations

import json
import re
import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import pytest

from service import Service, eventually, nobody_writes

ORDER = b'{"product_id": "%s", "quantity": 1}'
HEAD = (
    b"POST /v1/api/order HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
)
MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """`order-aggregator run` on its defaults."""
    settings = {"DATABASE_URL": "", "BROKER_URL": "", "VENDORS_FILE": ""}
    with Service(tmp_path_factory.mktemp("run"), settings) as service:
        service.start("run")
        service.wait_until_ready()
        yield service


def product_id(service: Service) -> bytes:
    found: str = service.get("/stock")[0]["product_id"]
    return found.encode()


def order_ids(service: Service) -> list[str]:
    return [order["id"] for order in service.get("/order", page_size="100")]


def connected(service: Service) -> socket.socket:
    address = urlsplit(service.root)
    assert address.hostname
    assert address.port
    return socket.create_connection((address.hostname, address.port), timeout=10)


def exchange(service: Service, request: bytes) -> tuple[int, bytes]:
    """Send raw bytes; the answer's status and body, once the server has closed the connection."""
    with connected(service) as connection:
        connection.sendall(request)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def test_a_body_may_come_in_chunks(running: Service) -> None:
    order = ORDER % product_id(running)
    answer = httpx.post(
        f"{running.api}/order",
        content=iter([order[:5], order[5:]]),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == httpx.codes.ACCEPTED
    assert answer.json()["id"] in order_ids(running)


@pytest.mark.parametrize("end", [b"", b"0\r\n", b"garbage\r\n"])
def test_a_body_in_chunks_that_breaks_off_is_no_order(running: Service, end: bytes) -> None:
    """Though all that an order needs is there."""
    before = order_ids(running)
    order = ORDER % product_id(running)
    with connected(running) as connection:
        head = HEAD.replace(b"Content-Length: %d", b"Transfer-Encoding: chunked")
        connection.sendall(head + b"%x\r\n%s\r\n" % (len(order), order) + end)
        connection.shutdown(socket.SHUT_WR)
        assert not connection.recv(65536).startswith(b"HTTP/1.1 2")
    assert order_ids(running) == before


def test_a_declared_length_over_the_limit_is_refused(running: Service) -> None:
    order = (ORDER % product_id(running)).ljust(MEBIBYTE + 1)
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(f"{running.api}/order", content=order, headers=headers)
    assert answer.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE
    assert answer.json()["type"].endswith(":content-too-large")


def test_a_client_that_sends_far_too_much_still_sees_the_answer(running: Service) -> None:
    body = b" " * 10 * MEBIBYTE
    status, _ = exchange(running, HEAD % len(body) + body)
    assert status == httpx.codes.REQUEST_ENTITY_TOO_LARGE


def test_a_body_that_is_cut_short_is_no_order(running: Service) -> None:
    before = order_ids(running)
    order = ORDER % product_id(running)
    with connected(running) as connection:
        connection.sendall(HEAD % (len(order) + 1) + order)
        connection.shutdown(socket.SHUT_WR)
        assert not connection.recv(65536).startswith(b"HTTP/1.1 2")
    assert order_ids(running) == before


def test_clients_that_stall_keep_nobody_waiting(running: Service) -> None:
    """However many they are: more than there are threads."""
    with ExitStack() as stack:
        for _ in range(200):
            stalled = stack.enter_context(connected(running))
            stalled.sendall(HEAD % 60 + b"{")
        started_at = time.monotonic()
        assert running.order(product_id(running).decode()).status_code == httpx.codes.ACCEPTED
        assert httpx.get(f"{running.root}/healthz").status_code == httpx.codes.OK
        assert time.monotonic() - started_at < 2


def test_more_than_can_wait_is_refused_at_once(running: Service) -> None:
    order = ORDER % b"nothing"
    with ExitStack() as stack:
        with nobody_writes(running):
            buyers = [stack.enter_context(connected(running)) for _ in range(1100)]
            for buyer in buyers:
                buyer.sendall(HEAD % len(order) + order)
            eventually(lambda: len(answered(buyers)) >= 100, within=5)
            for buyer in answered(buyers):
                refused = buyer.recv(65536)
                assert refused.split()[1] == b"503"
                assert re.search(rb"retry-after: [123]\r\n", refused)
                assert b":overloaded" in refused
            assert running.get("/stock")
        eventually(lambda: len(answered(buyers)) == len(buyers))
    assert running.order(product_id(running).decode()).status_code == httpx.codes.ACCEPTED


def answered(buyers: list[socket.socket]) -> list[socket.socket]:
    """Those who could read something, if it is only the end."""
    poll = select.poll()
    for buyer in buyers:
        poll.register(buyer, select.POLLIN)
    files = {file for file, _ in poll.poll(0)}
    return [buyer for buyer in buyers if buyer.fileno() in files]


def test_a_client_that_hangs_up_in_the_middle_orders_nothing(running: Service) -> None:
    before = order_ids(running)
    with connected(running) as connection:
        connection.sendall(HEAD % 1000 + ORDER % product_id(running))
    order = running.order(product_id(running).decode()).json()
    assert order_ids(running) == [order["id"], *before]
    assert "unexpected" not in running.said()


@pytest.mark.parametrize(
    "target",
    [b"/v1/api/stock?page=\xff", b"/v1/api/stock/%ff", b"/v1/api/stock/%", b"/stock?%00=%ff&&"],
)
def test_no_target_is_a_fault_of_the_server(running: Service, target: bytes) -> None:
    status, body = exchange(
        running, b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    assert 300 <= status < 500, body
    assert "unexpected" not in running.said()


def test_a_key_that_is_not_ascii_is_refused(running: Service) -> None:
    body = ORDER % product_id(running)
    status, answer = exchange(
        running,
        HEAD[:-2] % len(body) + b"Idempotency-Key: k\xc3\xa4\r\n\r\n" + body,
    )
    assert status == httpx.codes.UNPROCESSABLE_ENTITY
    assert list(json.loads(answer)["errors"]) == ["Idempotency-Key"]


def test_white_space_around_a_key_does_not_count(running: Service) -> None:
    body = ORDER % product_id(running)
    ids = set()
    for key in (b"zz", b"zz ", b" \t zz\t"):
        request = HEAD[:-2] % len(body) + b"Idempotency-Key:" + key + b"\r\n\r\n" + body
        status, answer = exchange(running, request)
        assert status == httpx.codes.ACCEPTED, answer
        ids.add(json.loads(answer)["id"])
    assert len(ids) == 1

"""What only a real server and a real socket show."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from service import Service

ORDER = b'{"product_id": "%s", "quantity": 1}'
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


def exchange(service: Service, request: bytes) -> tuple[int, bytes]:
    """Send raw bytes; the answer's status and body, once the server has closed the connection."""
    address = urlsplit(service.root)
    assert address.hostname
    assert address.port
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(request)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), body


def chunked(service: Service, body: bytes) -> httpx.Response:
    """Send a body in chunks, its length undeclared."""
    parts = (body[start : start + 65536] for start in range(0, len(body), 65536))
    return httpx.post(
        f"{service.api}/order", content=parts, headers={"Content-Type": "application/json"}
    )


def test_a_body_may_come_in_chunks(running: Service) -> None:
    order = ORDER % product_id(running)
    assert chunked(running, order).status_code == httpx.codes.ACCEPTED
    assert chunked(running, order.ljust(MEBIBYTE)).status_code == httpx.codes.ACCEPTED
    before = order_ids(running)
    answer = chunked(running, order.ljust(MEBIBYTE + 1))
    assert answer.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE
    assert answer.json()["type"].endswith(":content-too-large")
    assert chunked(running, b"").status_code == httpx.codes.BAD_REQUEST
    assert order_ids(running) == before


def test_a_declared_length_over_the_limit_is_refused(running: Service) -> None:
    order = (ORDER % product_id(running)).ljust(MEBIBYTE + 1)
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(f"{running.api}/order", content=order, headers=headers)
    assert answer.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE


def test_a_client_that_hangs_up_in_the_middle_orders_nothing(running: Service) -> None:
    before = order_ids(running)
    address = urlsplit(running.root)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(
            b"POST /v1/api/order HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 1000\r\n\r\n" + ORDER % product_id(running)
        )
    order = running.order(product_id(running).decode()).json()
    assert order_ids(running) == [order["id"], *before]
    assert "unexpected" not in running.said()


@pytest.mark.parametrize(
    "target",
    [b"/v1/api/stock?page=\xff", b"/v1/api/stock/%ff", b"/v1/api/stock/%", b"/stock?%00=%ff&&"],
)
def test_no_target_is_a_fault_of_the_server(running: Service, target: bytes) -> None:
    status, body = exchange(
        running, b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    assert 300 <= status < 500, body
    assert "unexpected" not in running.said()


def test_a_key_that_is_not_ascii_is_refused(running: Service) -> None:
    body = ORDER % product_id(running)
    status, answer = exchange(
        running,
        b"POST /v1/api/order HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nIdempotency-Key: k\xc3\xa4\r\n"
        b"Content-Length: %d\r\n\r\n%s" % (len(body), body),
    )
    assert status == httpx.codes.UNPROCESSABLE_ENTITY
    assert list(json.loads(answer)["errors"]) == ["Idempotency-Key"]

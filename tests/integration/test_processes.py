"""The API's processes: one that dies is replaced, and a stop finishes what is in hand."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx
import pytest

from forks import Fork
from service import Service, alive, children, eventually, nobody_writes, stop

PRODUCT = "sku-espresso-beans"


@pytest.fixture
def service(embedded: Service) -> Service:
    """A database with stock, and nothing that runs."""
    assert embedded.call("migrate").returncode == 0
    assert embedded.call("seed").returncode == 0
    return embedded


@pytest.fixture
def api(service: Service) -> Fork:
    """The API, with two processes that serve."""
    api = service.start("api")
    service.wait_until_ready()
    eventually(lambda: len(children(api.pid)) == 2)
    return api


def connected(service: Service) -> socket.socket:
    address = urlsplit(service.root)
    return socket.create_connection((address.hostname or "", address.port or 0), timeout=20)


# The latter is what a process gets that has stood still too long.
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
def test_a_process_that_is_killed_is_replaced(service: Service, api: Fork, number: int) -> None:
    before = children(api.pid)
    os.kill(before[0], number)
    eventually(lambda: len(set(children(api.pid)) - set(before)) == 1)
    assert before[1] in children(api.pid)
    # Whoever of them accepts the connection.
    for _ in range(10):
        service.wait_until_ready()
        assert service.order(PRODUCT).status_code == HTTPStatus.ACCEPTED
        assert httpx.get(f"{service.root}/metrics").status_code == HTTPStatus.OK


def test_what_the_server_logs_has_the_format_of_all_other_lines(
    service: Service, api: Fork
) -> None:
    with connected(service) as client:
        client.sendall(b"NONSENSE\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 400 ")
    service.wait_until_said("Invalid HTTP request received.")
    service.get("/stock")
    lines = [json.loads(line) for line in service.said().splitlines()]
    assert [line["level"] for line in lines if line["event"].startswith("Invalid HTTP")] == [
        "warning"
    ]
    assert not [line for line in lines if "/stock" in line["event"]]


def test_processes_share_connections_that_come_all_at_once(service: Service, api: Fork) -> None:
    """Or one would have all the work."""
    address = urlsplit(service.root)
    time.sleep(1)  # One of them may have begun later.
    with ExitStack() as stack:
        clients = [stack.enter_context(socket.socket()) for _ in range(128)]
        for client in clients:
            client.setblocking(False)
            client.connect_ex((address.hostname or "", address.port or 0))
        time.sleep(0.5)
        os.kill(children(api.pid)[0], signal.SIGKILL)
        time.sleep(0.5)
        assert 32 <= sum(map(is_closed, clients)) <= 96


def is_closed(connection: socket.socket) -> bool:
    try:
        return not connection.recv(1)
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_lets_requests_in_hand_finish(service: Service, api: Fork, number: int) -> None:
    assert service.order(PRODUCT).status_code == HTTPStatus.ACCEPTED
    with ThreadPoolExecutor(20) as pool, connected(service) as idle:
        with nobody_writes(service):
            orders = [pool.submit(service.order, PRODUCT) for _ in range(20)]
            time.sleep(0.5)
            api.send_signal(number)
            # It has heard.
            assert idle.recv(1) == b""
            assert not any(order.done() for order in orders)
        assert [order.result().status_code for order in orders] == [HTTPStatus.ACCEPTED] * 20
    assert api.wait(10) == 0
    assert "Traceback" not in service.said()
    assert service.said().count("api.stopped") == 1
    service.verify()


def test_a_stop_does_not_wait_for_clients_that_have_asked_nothing(
    service: Service, api: Fork
) -> None:
    with connected(service), connected(service) as idle:
        idle.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        assert idle.recv(65536).startswith(b"HTTP/1.1 200")
        started_at = time.monotonic()
        assert stop(api) == 0
        assert time.monotonic() - started_at < 5


def test_a_second_api_on_the_port_fails_at_once_and_the_first_goes_on(
    service: Service, api: Fork
) -> None:
    before = children(api.pid)
    started_at = time.monotonic()
    second = service.call("api")
    assert time.monotonic() - started_at < 15
    assert second.returncode == 1
    [line] = second.stderr.splitlines()
    assert line.startswith("Error: PORT: cannot listen on 127.0.0.1:")
    assert children(api.pid) == before
    assert service.order(PRODUCT).status_code == HTTPStatus.ACCEPTED


def test_one_of_two_that_start_on_the_port_serves(service: Service) -> None:
    """Though neither has a process that accepts connections yet."""
    both = [service.start("api") for _ in range(2)]
    eventually(lambda: any(api.poll() is not None for api in both))
    [first] = [api for api in both if api.poll() is None]
    service.wait_until_ready()
    assert service.order(PRODUCT).status_code == HTTPStatus.ACCEPTED
    assert stop(first) == 0


def test_metrics_of_a_dead_api_go_with_the_next_start(service: Service) -> None:
    place = service.folder / "metrics"
    service.environment["METRICS_DIR"] = str(place)
    first = service.start("api")
    service.wait_until_ready()
    [left] = place.iterdir()
    service.kill_with_descendants(first)
    second = service.start("api")
    service.wait_until_ready()
    [folder] = place.iterdir()
    assert folder != left
    assert "order_api_requests" in httpx.get(f"{service.root}/metrics").text
    assert stop(second) == 0
    assert list(place.iterdir()) == []


def test_without_a_place_for_metrics_orders_are_accepted(service: Service) -> None:
    service.environment["METRICS_DIR"] = "/proc/none"
    service.start("api")
    service.wait_until_ready()
    assert service.order(PRODUCT).status_code == HTTPStatus.ACCEPTED
    assert "order_api_requests" in httpx.get(f"{service.root}/metrics").text
    assert "api.metrics_not_shared" in service.said()


def test_when_the_parent_is_killed_the_processes_end(service: Service, api: Fork) -> None:
    started = children(api.pid)
    assert len(started) == 2
    api.kill()
    api.wait()
    eventually(lambda: not any(alive(pid) for pid in started), what="they have ended")
    assert "Traceback" not in service.said()

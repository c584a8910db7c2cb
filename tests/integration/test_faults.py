"""What dies while orders flow: no accepted order is lost, no unit is sold twice, nothing drifts."""

from __future__ import annotations

import secrets
import signal
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx
import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from buyers import PRODUCT, Buyers, assert_nothing_lost
from server_processes import Server
from servers import Broker, postgres, rabbitmq
from service import Service, eventually, stop

QUEUE_SETTLES = 6


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Server, Broker]]:
    """A PostgreSQL and a RabbitMQ server that a test may kill."""
    with postgres() as database, rabbitmq() as broker:
        yield database, broker


@pytest.fixture
def idle(tmp_path: Path, servers: tuple[Server, Broker]) -> Iterator[Service]:
    """A database and a virtual host of the test's own, and no process yet."""
    database, broker = servers
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(database.url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    database_url = urlunsplit(urlsplit(database.url)._replace(path=f"/{name}"))
    with broker.virtual_host() as broker_url:
        settings = {"DATABASE_URL": database_url, "BROKER_URL": broker_url, "VENDORS_FILE": ""}
        with Service(tmp_path, settings) as service:
            yield service


@pytest.fixture
def service(idle: Service) -> Service:
    """An API with stock, and no worker yet."""
    assert idle.call("migrate").returncode == 0
    assert idle.call("seed").returncode == 0
    idle.start("api")
    idle.wait_until_ready()
    return idle


def test_workers_killed_in_the_middle_of_their_batches(service: Service) -> None:
    with Buyers(service) as buyers:
        for _ in range(4):
            worker = service.start("worker")
            buyers.wait_for(20)
            stop(worker, signal.SIGKILL)
    service.start("worker")
    assert_nothing_lost(service, buyers)


def test_the_api_killed_between_accepting_and_sending(service: Service) -> None:
    [api] = service.running()
    service.start("worker")
    with Buyers(service) as buyers:
        buyers.wait_for(40)
        service.kill_with_descendants(api)
        service.start("api")
        service.wait_until_ready()
        buyers.wait_for(20)
    service.start("relay")
    assert_nothing_lost(service, buyers)
    assert buyers.statuses[HTTPStatus.INTERNAL_SERVER_ERROR] == 0


def test_the_broker_killed_and_started_again(
    service: Service, servers: tuple[Server, Broker]
) -> None:
    _, broker = servers
    service.start("worker")
    with Buyers(service) as buyers:
        # Killed within seconds of the queue's declaration, RabbitMQ can lose it for good.
        time.sleep(QUEUE_SETTLES)
        broker.kill()
        # Orders are accepted all the same: they wait in the outbox.
        buyers.wait_for(20)
        broker.start()
        buyers.wait_for(20)
    assert buyers.statuses[HTTPStatus.SERVICE_UNAVAILABLE] == 0
    assert_nothing_lost(service, buyers)
    assert "broker.waiting" in service.said()


def test_the_database_killed_and_started_again(
    service: Service, servers: tuple[Server, Broker]
) -> None:
    database, _ = servers
    service.start("worker")
    with Buyers(service) as buyers:
        buyers.wait_for(20)
        database.kill()
        eventually(lambda: buyers.statuses[HTTPStatus.SERVICE_UNAVAILABLE] > 0, 30, "503")
        assert httpx.get(f"{service.root}/healthz").status_code == HTTPStatus.OK
        ready = httpx.get(f"{service.root}/readyz", timeout=10)
        assert ready.status_code == HTTPStatus.SERVICE_UNAVAILABLE
        service.wait_until_said("relay.waiting")
        database.start()
        buyers.wait_for(20)
    assert_nothing_lost(service, buyers)


def test_started_before_the_servers_everything_waits_and_says_so(
    idle: Service, servers: tuple[Server, Broker]
) -> None:
    for server in servers:
        server.stop()
    try:
        commands = ("worker", "relay", "api", "sync --every 1", "mock-vendors", "migrate")
        processes = [idle.start(*command.split()) for command in commands]
        for waiting in ("broker", "relay", "sync", "migrate"):
            idle.wait_until_said(f"{waiting}.waiting")
        assert [process.poll() for process in processes] == [None] * len(processes)
    finally:
        for server in reversed(servers):
            server.start()
    idle.wait_until_ready(60)
    eventually(lambda: idle.get("/stock") != [], 30, "synced")
    assert idle.order(PRODUCT).status_code == HTTPStatus.ACCEPTED
    idle.wait_until_settled()
    idle.verify()
    assert "Traceback" not in idle.said()

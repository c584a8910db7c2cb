"""What tests may ask for: databases and brokers of their own, on throwaway servers.

The servers start on demand; `TEST_DATABASE_URL` and `TEST_BROKER_URL` name others to use instead.
"""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import pika
import psycopg
import pytest
from psycopg import sql

from server_processes import ServerUnavailable
from servers import Broker, postgres, rabbitmq

QUEUES = ("order_queue", "order_queue.dead")


def pytest_configure() -> None:
    """Treat SIGTERM like Ctrl-C, so that fixtures are torn down."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def database_url() -> Iterator[str]:
    """A PostgreSQL server, as the URL of its maintenance database."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    try:
        with postgres() as server:
            yield server.url
    except ServerUnavailable as problem:
        raise pytest.fail.Exception(str(problem), pytrace=False) from None


@pytest.fixture
def fresh_database_url(database_url: str) -> Iterator[str]:
    """An empty database of the test's own."""
    name = f"test_{secrets.token_hex(6)}"
    _administer(database_url, "CREATE DATABASE {}", name)
    try:
        yield urlunsplit(urlsplit(database_url)._replace(path=f"/{name}"))
    finally:
        _administer(database_url, "DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """A RabbitMQ server of our own, with its management API."""
    try:
        with rabbitmq() as server:
            yield server
    except ServerUnavailable as problem:
        raise pytest.fail.Exception(str(problem), pytrace=False) from None


@pytest.fixture(scope="session")
def broker_url(request: pytest.FixtureRequest) -> str:
    """A RabbitMQ server, as the URL of a virtual host that all tests share."""
    given = os.environ.get("TEST_BROKER_URL")
    if given:
        return given
    server: Broker = request.getfixturevalue("broker")
    return server.url


@pytest.fixture
def fresh_broker_url(broker_url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A virtual host of the test's own, or the one named to us without our queues."""
    if os.environ.get("TEST_BROKER_URL"):
        _delete_queues(broker_url)
        yield broker_url
        _delete_queues(broker_url)
    else:
        server: Broker = request.getfixturevalue("broker")
        with server.virtual_host() as url:
            yield url


def _administer(url: str, statement: str, name: str) -> None:
    with psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(sql.Identifier(name)))


def _delete_queues(url: str) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    for queue in QUEUES:
        channel.queue_delete(queue)
    connection.close()

"""Every adapter of each port, ready to be put to the test."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import attrs
import pytest
from sqlalchemy import Engine, text

from amqp import FaultyNetwork, channel_to
from event_listener import heard, listening
from order_aggregator.adapters.memory import MemoryMessageBus, MemoryStorage
from order_aggregator.adapters.memory.event_publisher import MemoryEventPublisher
from order_aggregator.adapters.rabbitmq import RabbitMessageBus
from order_aggregator.adapters.rabbitmq.event_publisher import RabbitEventPublisher
from order_aggregator.adapters.sql import SqlMessageBus, SqlStorage, create_engine, migrate
from order_aggregator.adapters.sql.message_bus import LEASE
from order_aggregator.adapters.sql.schema import metadata
from order_aggregator.adapters.system.clock import SystemClock
from order_aggregator.domain.ports.message_bus import MessageBus
from order_aggregator.domain.ports.storage import Storage
from order_aggregator.testing.event_publisher import EventPublisherUnderTest
from order_aggregator.testing.message_bus import BusUnderTest
from order_aggregator.testing.shop import Shop

_CLEAR = ";".join(
    [
        "SET LOCAL lock_timeout = '10s'",
        "SET LOCAL synchronous_commit = off",
        *(f"DELETE FROM {table.name}" for table in reversed(metadata.sorted_tables)),
    ]
)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with our tables, to be copied."""
    file = tmp_path_factory.mktemp("migrated") / "shop.db"
    engine = create_engine(f"sqlite:///{file}")
    migrate(engine)
    engine.dispose()
    return file


@pytest.fixture
def sqlite(migrated_file: Path, tmp_path: Path) -> Iterator[Engine]:
    """A SQLite file with our tables, all empty."""
    engine = create_engine(f"sqlite:///{shutil.copy(migrated_file, tmp_path)}")
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def migrated_database(database_url: str) -> Iterator[str]:
    """A PostgreSQL database with our tables. One for all tests: to make one takes long."""
    name = f"contracts_{secrets.token_hex(6)}"
    server = create_engine(database_url)
    url = urlunsplit(urlsplit(database_url)._replace(path=f"/{name}"))
    _administer(server, f"CREATE DATABASE {name}")
    engine = create_engine(url)
    migrate(engine)
    engine.dispose()
    yield url
    _administer(server, f"DROP DATABASE {name} WITH (FORCE)")
    server.dispose()


@pytest.fixture
def postgresql(migrated_database: str) -> Iterator[Engine]:
    """A PostgreSQL database with our tables, all empty."""
    engine = create_engine(migrated_database)
    with engine.begin() as connection:
        connection.execute(text(_CLEAR))
    yield engine
    engine.dispose()


def _administer(server: Engine, statement: str) -> None:
    with server.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(statement))


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def storage(request: pytest.FixtureRequest) -> Storage:
    """An empty storage."""
    if request.param == "memory":
        return MemoryStorage(SystemClock())
    return SqlStorage(request.getfixturevalue(request.param))


@pytest.fixture
def shop(storage: Storage) -> Shop:
    """The use cases on that storage."""
    return Shop(storage)


@attrs.define
class _ClockAhead:
    """The system's clock, but ahead of it."""

    ahead: timedelta = timedelta()

    def now(self) -> datetime:
        return SystemClock().now() + self.ahead

    def pass_lease(self) -> None:
        self.ahead += LEASE


def _table_bus(engine: Engine) -> BusUnderTest:
    clock = _ClockAhead()
    bus = SqlMessageBus(engine, clock)
    return BusUnderTest(
        bus=bus,
        parked=lambda: [body for body, _reason in bus.parked],
        take_back=clock.pass_lease,
    )


@pytest.fixture
def rabbit_bus(fresh_broker_url: str) -> Iterator[BusUnderTest]:
    """The bus on a broker, over a network that can fail."""
    with FaultyNetwork(fresh_broker_url) as network:
        bus = RabbitMessageBus(network.url)
        yield BusUnderTest(
            bus=bus,
            parked=lambda: _everything_in(fresh_broker_url, "order_queue.dead"),
            take_back=network.cut,
        )
        bus.close()


def _everything_in(url: str, queue: str) -> list[bytes]:
    with channel_to(url) as channel:
        bodies: list[bytes] = []
        while (body := channel.basic_get(queue)[2]) is not None:
            bodies.append(body)
        return bodies


def _bus(name: str, request: pytest.FixtureRequest) -> BusUnderTest:
    if name == "rabbitmq":
        made: BusUnderTest = request.getfixturevalue("rabbit_bus")
        return made
    return _table_bus(request.getfixturevalue(name))


@pytest.fixture(params=["sqlite", "postgresql", "rabbitmq"])
def fragile(request: pytest.FixtureRequest) -> BusUnderTest:
    """An empty bus whose consumers can die alone."""
    return _bus(request.param, request)


@pytest.fixture(params=["memory", "sqlite", "postgresql", "rabbitmq"])
def under_test(request: pytest.FixtureRequest) -> BusUnderTest:
    """An empty bus."""
    if request.param != "memory":
        return _bus(request.param, request)
    bus = MemoryMessageBus()
    return BusUnderTest(
        bus=bus,
        parked=lambda: [body for body, _reason in bus.parked],
        take_back=lambda: pytest.fail("memory loses nothing before its process ends"),
    )


@pytest.fixture
def bus(under_test: BusUnderTest) -> MessageBus:
    """An empty bus."""
    return under_test.bus


@pytest.fixture
def rabbit_publishing(fresh_broker_url: str) -> Iterator[EventPublisherUnderTest]:
    """An exchange on a broker, and a queue that takes everything."""
    with (
        listening(fresh_broker_url, "tests.events"),
        closing(RabbitEventPublisher(fresh_broker_url, "tests.events")) as publisher,
    ):
        yield EventPublisherUnderTest(
            publisher=publisher, heard=lambda count: heard(fresh_broker_url, count)
        )


@pytest.fixture(params=["memory", "rabbitmq"])
def publishing(request: pytest.FixtureRequest) -> EventPublisherUnderTest:
    """A publisher of events that has published nothing."""
    if request.param == "rabbitmq":
        made: EventPublisherUnderTest = request.getfixturevalue("rabbit_publishing")
        return made
    publisher = MemoryEventPublisher()
    return EventPublisherUnderTest(publisher=publisher, heard=lambda _count: publisher.published)

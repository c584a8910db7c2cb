"""Every adapter of each port, ready to be put to the test."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from sqlalchemy import Engine, text

from order_aggregator.adapters.memory import MemoryStorage
from order_aggregator.adapters.sql import SqlStorage, create_engine, migrate
from order_aggregator.adapters.sql.schema import metadata
from shop import Shop, Storage


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    """A SQLite file with our tables, all empty."""
    engine = create_engine(f"sqlite:///{tmp_path}/shop.db")
    migrate(engine)
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
        connection.execute(text("SET LOCAL lock_timeout = '10s'"))
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
    yield engine
    engine.dispose()


def _administer(server: Engine, statement: str) -> None:
    with server.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(statement))


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
def storage(request: pytest.FixtureRequest) -> Storage:
    """An empty storage."""
    if request.param == "memory":
        return MemoryStorage()
    return SqlStorage(request.getfixturevalue(request.param))


@pytest.fixture
def shop(storage: Storage) -> Shop:
    """The use cases on that storage."""
    return Shop(storage)

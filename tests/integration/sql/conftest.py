"""Databases with our tables, all empty."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from order_aggregator.adapters.sql import SqlStorage, create_engine, migrate


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path}/data.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest) -> str:
    """An empty database of either kind."""
    name = "sqlite_url" if request.param == "sqlite" else "fresh_database_url"
    address: str = request.getfixturevalue(name)
    return address


def _migrated(url: str) -> Iterator[Engine]:
    engine = create_engine(url)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """A database of either kind."""
    yield from _migrated(url)


@pytest.fixture
def sqlite(sqlite_url: str) -> Iterator[Engine]:
    """A SQLite database."""
    yield from _migrated(sqlite_url)


@pytest.fixture
def postgresql(fresh_database_url: str) -> Iterator[Engine]:
    """A PostgreSQL database."""
    yield from _migrated(fresh_database_url)


@pytest.fixture
def storage(engine: Engine) -> SqlStorage:
    """A storage on either kind of database."""
    return SqlStorage(engine)

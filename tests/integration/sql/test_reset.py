"""Beginning anew."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, func, select

from order_aggregator.adapters.sql import SqlStorage, create_engine
from order_aggregator.adapters.sql.reset import reset
from order_aggregator.adapters.sql.schema import metadata
from order_aggregator.domain.errors import StorageUnavailable
from order_aggregator.testing.shop import Shop


def rows(engine: Engine) -> int:
    with engine.connect() as connection:
        return sum(
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in metadata.sorted_tables
        )


def test_nothing_of_ours_is_left(engine: Engine) -> None:
    shop = Shop(SqlStorage(engine))
    shop.sync("acme", {"apple": 5})
    shop.fulfil(shop.accepted(apple=1))
    shop.accepted(apple=1)
    assert rows(engine) > 0
    reset(engine)
    assert rows(engine) == 0
    shop.sync("acme", {"apple": 5})
    shop.accepted(apple=1)


def test_without_tables_it_is_unavailable(fresh_database_url: str) -> None:
    engine = create_engine(fresh_database_url)
    with pytest.raises(StorageUnavailable):
        reset(engine)
    engine.dispose()

"""The read model where the tables are missing."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from order_aggregator.adapters.sql import SqlStorage, create_engine
from order_aggregator.domain.errors import StorageUnavailable
from order_aggregator.testing.shop import Shop, wish


def test_a_database_without_our_tables_is_unavailable(fresh_database_url: str) -> None:
    engine = create_engine(fresh_database_url)
    _refuses_everything(engine)
    engine.dispose()


def test_a_sqlite_file_without_our_tables_is_unavailable(tmp_path: object) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/empty.db")
    _refuses_everything(engine)
    engine.dispose()


def _refuses_everything(engine: Engine) -> None:
    shop = Shop(SqlStorage(engine))
    with pytest.raises(StorageUnavailable):
        shop.storage.read_model.ping()
    with pytest.raises(StorageUnavailable):
        shop.storage.read_model.stock(0, 10)
    with pytest.raises(StorageUnavailable):
        shop.place(wish(apple=1))
    with pytest.raises(StorageUnavailable):
        shop.discrepancies()

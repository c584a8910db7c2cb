"""Each transaction that is committed is counted, and told."""

from __future__ import annotations

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Engine

from order_aggregator.adapters.sql import SqlStorage
from order_aggregator.adapters.sql.commits import take_commits
from order_aggregator.adapters.sql.transaction import Transaction
from order_aggregator.entrypoints.monitoring import database
from order_aggregator.testing.shop import Shop
from service import eventually


@pytest.fixture
def shop(engine: Engine) -> Shop:
    shop = Shop(SqlStorage(engine))
    shop.sync("acme", {"apple": 9})
    take_commits()
    return shop


def test_a_step_of_an_order_is_one_commit_and_looking_is_none(shop: Shop) -> None:
    order = shop.accepted(apple=1)
    assert take_commits() == 1
    shop.fulfil(order)
    assert take_commits() == 1
    shop.order(order.id)
    assert take_commits() == 0


def test_what_is_undone_or_a_part_of_somebodys_transaction_is_not_counted(
    engine: Engine, shop: Shop
) -> None:
    with Transaction(engine):
        pass
    with engine.begin() as connection, Transaction(engine, within=connection) as part:
        part.commit()
    assert take_commits() == 0
    shop.accepted(apple=1)
    assert take_commits() == 1


def test_events_that_are_given_their_places_are_committed(engine: Engine, shop: Shop) -> None:
    shop.accepted(apple=1)
    take_commits()
    shop.storage.event_feed.read(0, 100)
    assert take_commits() == (1 if engine.dialect.name == "postgresql" else 0)


def test_commits_are_told(engine: Engine, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "LOOK_EVERY", 0.01)

    def told() -> float:
        return REGISTRY.get_sample_value("order_aggregator_commits_total") or 0.0

    before = told()
    with database.database_watched(engine):
        for _ in range(3):
            shop.accepted(apple=1)
        eventually(lambda: told() == before + 3)


def test_the_last_commits_are_told_too(engine: Engine, shop: Shop) -> None:
    before = REGISTRY.get_sample_value("order_aggregator_commits_total") or 0.0
    with database.database_watched(engine):
        shop.accepted(apple=1)
    assert REGISTRY.get_sample_value("order_aggregator_commits_total") == before + 1

"""A server that neither answers nor closes: after a deadline, its connections are given up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Protocol, TypeVar

import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from event_loop import in_event_loop, in_thread
from network import Network
from order_aggregator.adapters.sql import SqlStorage, create_engine, migrate
from order_aggregator.adapters.sql.driver import Connection
from order_aggregator.adapters.sql.engine import long_statements
from order_aggregator.adapters.sql.errors import driver_errors_translated
from order_aggregator.adapters.sql.transaction import Transaction
from order_aggregator.domain.errors import CommitOutcomeUnknown, StorageUnavailable
from order_aggregator.domain.ports.unit_of_work import UnitOfWork
from order_aggregator.domain.stock import StockDelta
from order_aggregator.testing.shop_work import NOW, central, stock_up, work

T = TypeVar("T")
TIMEOUT = 2.0
# By then, one deadline has passed, and a second one has not.
ONE_TIMEOUT = 3.9
RESERVE_ONE = [StockDelta(product_id="apple", reserved=1)]


class Mode(Protocol):
    """How a call waits."""

    def __call__(self, call: Callable[[], T], /) -> T: ...


@pytest.fixture(params=[in_thread, in_event_loop])
def do(request: pytest.FixtureRequest) -> Mode:
    """Makes calls in a thread, or in an event loop."""
    mode: Mode = request.param
    return mode


@pytest.fixture
def network(fresh_database_url: str) -> Iterator[Network]:
    with Network(fresh_database_url) as network:
        yield network


@pytest.fixture
def engine(network: Network, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """A database with an apple in stock, whose connections have a short deadline."""
    engine = create_engine(network.url)
    migrate(engine)
    stock_up(SqlStorage(engine), "acme", apple=5)
    monkeypatch.setattr(Connection, "response_timeout", TIMEOUT)
    yield engine
    engine.dispose()


@pytest.fixture
def storage(engine: Engine) -> SqlStorage:
    return SqlStorage(engine)


def ask(engine: Engine) -> None:
    """Ask something on each of several connections, SQLAlchemy's way and past it."""
    with ExitStack() as taken:
        readers = [taken.enter_context(engine.connect()) for _ in range(2)]
        writers = [taken.enter_context(Transaction(engine)) for _ in range(2)]
        for reader in readers:
            assert reader.execute(text("SELECT 1")).scalar() == 1
        for writer in writers:
            assert writer.fetch_all(text("SELECT 1")) == [(1,)]


def write(engine: Engine) -> None:
    with Transaction(engine) as transaction:
        transaction.fetch_all(text("SELECT 1"))


def read(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))


@pytest.mark.parametrize("first", [write, read])
def test_a_silent_server_costs_one_deadline_however_many_connections_are_idle(
    engine: Engine, network: Network, do: Mode, first: Callable[[Engine], None]
) -> None:
    ask(engine)
    assert network.freeze() == 4
    started = time.monotonic()
    with (
        pytest.raises(StorageUnavailable, match="no response from the server within 2 s"),
        driver_errors_translated(),
    ):
        do(lambda: first(engine))
    do(lambda: ask(engine))
    assert TIMEOUT <= time.monotonic() - started < ONE_TIMEOUT


def test_after_a_missed_deadline_connections_in_use_are_given_up_one_by_one(
    engine: Engine, storage: SqlStorage, network: Network
) -> None:
    """Whoever has one learns of it by a deadline of its own; a sound one stays in use."""
    with Transaction(engine) as frozen:
        frozen.fetch_all(text("SELECT 1"))
        network.freeze()
        with Transaction(engine) as sound:
            sound.fetch_all(text("SELECT 1"))
            with pytest.raises(StorageUnavailable):
                frozen.fetch_all(text("SELECT 1"))
            assert sound.fetch_all(text("SELECT 2")) == [(2,)]


def test_a_commit_that_is_not_answered_has_an_unknown_outcome(
    storage: SqlStorage, network: Network, do: Mode
) -> None:
    def step(uow: UnitOfWork) -> None:
        uow.stock.change(RESERVE_ONE, NOW)
        uow.stock.lock(["apple"])  # Any question is sent with what was changed before it.
        network.freeze()

    started = time.monotonic()
    with pytest.raises(CommitOutcomeUnknown):
        do(lambda: work(storage, step))
    assert time.monotonic() - started < ONE_TIMEOUT
    assert central(storage, "apple") == (5, 0)


def test_leaving_a_unit_of_work_waits_for_one_deadline_at_most(
    engine: Engine, storage: SqlStorage, network: Network, do: Mode
) -> None:
    ask(engine)

    def leave() -> None:
        with storage.unit_of_work() as uow:
            uow.stock.lock(["pear"])  # There is none, so the server locks nothing.
            network.freeze()

    started = time.monotonic()
    do(leave)
    do(lambda: ask(engine))
    assert TIMEOUT <= time.monotonic() - started < ONE_TIMEOUT


def test_an_answer_that_is_there_counts_however_late_the_loop_looks_for_it(
    engine: Engine,
) -> None:
    def ask_late() -> object:
        # Held up while the answer comes, until after the deadline.
        asyncio.get_running_loop().call_later(0.1, time.sleep, 1.5 * TIMEOUT)
        with engine.connect() as connection:
            return connection.execute(text("SELECT 7 FROM pg_sleep(0.3)")).scalar()

    assert in_event_loop(ask_late) == 7


def test_migrations_and_the_ledger_may_wait_longer_but_nobody_else(
    engine: Engine, storage: SqlStorage
) -> None:
    sleep = text(f"SELECT 7 FROM pg_sleep({1.5 * TIMEOUT})")
    with engine.connect() as connection:
        with long_statements(connection):
            assert connection.execute(sleep).scalar() == 7
            assert connection.execute(text("SHOW statement_timeout")).scalar() == "1h"
        with pytest.raises(OperationalError, match="no response"):
            connection.execute(sleep)
    storage.read_model.ping()


def test_the_server_ends_what_it_works_on_before_we_give_it_up(postgresql: Engine) -> None:
    """Else locks of a connection that was given up would hold up those that come after it."""
    with postgresql.connect() as connection:
        for setting in ("statement_timeout", "idle_in_transaction_session_timeout"):
            shown = connection.execute(text(f"SHOW {setting}")).scalar_one()
            assert int(shown.removesuffix("s")) < Connection.response_timeout


def test_locks_of_a_pipeline_that_froze_in_its_middle_are_let_go_of(
    engine: Engine, storage: SqlStorage, network: Network, do: Mode
) -> None:
    """PostgreSQL waits for the rest of a pipeline for ever: neither idle nor at work."""

    def freeze_in_the_middle() -> None:
        connection = engine.raw_connection()
        driver = connection.driver_connection
        assert isinstance(driver, Connection)
        with suppress(psycopg.OperationalError), driver.pipeline():
            driver.execute("SELECT * FROM central_stock WHERE product_id = 'apple' FOR UPDATE")
            time.sleep(0.2)  # It is on its way already, and the network passes it on.
            network.freeze()
        assert driver.closed
        connection.invalidate()

    do(freeze_in_the_middle)
    started = time.monotonic()
    do(lambda: work(storage, lambda uow: uow.stock.change(RESERVE_ONE, NOW)))
    assert time.monotonic() - started < 1
    assert central(storage, "apple") == (5, 1)

"""What goes wrong with a database, in the domain's words."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import psycopg
import pytest
from sqlalchemy import URL, Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError

from order_aggregator.adapters.memory import ManualClock
from order_aggregator.adapters.sql import SqlMessageBus, SqlStorage, create_engine, migrate
from order_aggregator.adapters.sql.errors import driver_errors_translated
from order_aggregator.adapters.sql.transaction import Transaction
from order_aggregator.domain.errors import (
    BrokerUnavailable,
    CommitOutcomeUnknown,
    Conflict,
    ConstraintViolated,
    InvalidValue,
    OrderAggregatorError,
    StorageUnavailable,
)
from order_aggregator.testing.race import race
from order_aggregator.testing.shop import Shop, next_order_id
from order_aggregator.testing.shop_work import central, stock_up, work
from servers import postgres

NOW = ManualClock().now()
TERMINATE = text(
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
NOWHERE = "postgresql+psycopg://postgres@127.0.0.1:1/nothing"


def ask_for_everything(engine: Engine) -> dict[str, Callable[[], object]]:
    """One call of every kind."""
    storage = SqlStorage(engine)
    bus = SqlMessageBus(engine, ManualClock())
    return {
        "lock": lambda: work(storage, lambda uow: uow.stock.lock(["apple"])),
        "change": lambda: work(storage, lambda uow: uow.outbox.announce([next_order_id()], NOW)),
        "stock": lambda: storage.read_model.stock(0, 1),
        "ping": storage.read_model.ping,
        "ledger": lambda: list(storage.ledger.discrepancies()),
        "receive": lambda: bus.consume().receive(1, 0),
        "parked": lambda: bus.parked,
    }


@pytest.mark.parametrize("call", ask_for_everything(create_engine(NOWHERE)))
def test_a_server_that_is_not_there_is_unavailable(call: str) -> None:
    engine = create_engine(NOWHERE)
    with pytest.raises(StorageUnavailable):
        ask_for_everything(engine)[call]()
    engine.dispose()


def test_publishing_without_a_server_is_a_matter_of_the_broker() -> None:
    engine = create_engine(NOWHERE)
    with pytest.raises(BrokerUnavailable):
        SqlMessageBus(engine, ManualClock()).publish([b"x"])
    engine.dispose()


@pytest.mark.parametrize("call", ask_for_everything(create_engine(NOWHERE)))
def test_without_tables_the_error_says_what_to_do(url: str, call: str) -> None:
    engine = create_engine(url)
    with pytest.raises(StorageUnavailable, match="order-aggregator migrate"):
        ask_for_everything(engine)[call]()
    engine.dispose()


def test_a_database_that_does_not_exist_is_unavailable(fresh_database_url: str) -> None:
    engine = create_engine(fresh_database_url + "_not")
    with pytest.raises(StorageUnavailable, match="does not exist"):
        SqlStorage(engine).read_model.ping()
    engine.dispose()


@pytest.mark.parametrize(
    "address",
    [
        "",
        "apple",
        "mysql://x/y",
        "postgresql+psycopg://u:s3cret@127.0.0.1:abc/x",
        "postgresql+psycopg://u:s3cret@a..b/x",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///nul%00",
        "sqlite:///data.db?mode=ro",
        "sqlite://host/data.db",
        "sqlite+aiosqlite:///x",
    ],
)
def test_an_address_that_we_cannot_use_is_refused(address: str) -> None:
    with pytest.raises(
        InvalidValue, match=r"^database_url: must be sqlite:///<file> or postgresql"
    ):
        create_engine(address)


@pytest.mark.parametrize(
    ("rest", "problem"),
    [
        (":99999/x", "must have a port from 1 to 65535"),
        (":0/x", "must have a port from 1 to 65535"),
        ("/x?bogus=s3cret", "has an option that libpq does not take"),
        ("/x?port=s3cret", "has an option that libpq does not take"),
        ("/x?autocommit=true", "has an option that libpq does not take"),
        ("/x?connect_timeout=s3cret", "connect_timeout must be a whole number"),
        ("/x?connect_timeout=1&connect_timeout=2", "connect_timeout must be a whole number"),
        ("/x?keepalives_idle=5s", "keepalives_idle must be a whole number"),
    ],
)
def test_what_no_connection_can_be_made_with_is_refused(rest: str, problem: str) -> None:
    """And neither the message nor its cause shows a part of the address."""
    with pytest.raises(InvalidValue) as caught:
        create_engine(f"postgresql+psycopg://u:s3cret@127.0.0.1{rest}")
    assert str(caught.value) == f"database_url: {problem}"
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_options_of_libpq_may_be_given() -> None:
    options = "sslmode=disable&connect_timeout=7&application_name=shop&host=/run/postgresql"
    create_engine(f"postgresql+psycopg://u@/x?{options}")
    create_engine("postgresql+psycopg:///x?host=a:1&host=b:2")


def test_a_connection_lost_before_the_commit_has_changed_nothing(postgresql: Engine) -> None:
    storage = SqlStorage(postgresql)
    with storage.unit_of_work() as uow:
        uow.outbox.announce([next_order_id()], NOW)
        terminate_others(postgresql)
        with pytest.raises(StorageUnavailable) as caught:
            uow.commit()  # which sends what was added, and only then the commit itself
    assert not isinstance(caught.value, CommitOutcomeUnknown)
    assert work(storage, lambda uow: uow.outbox.claim(9, NOW, NOW)) == []


def test_of_a_connection_lost_in_the_commit_the_outcome_is_unknown(postgresql: Engine) -> None:
    storage = SqlStorage(postgresql)
    with storage.unit_of_work() as uow:
        uow.outbox.announce([next_order_id()], NOW)
        uow.stock.lock([])  # Any question is sent with what was added before it.
        terminate_others(postgresql)
        with pytest.raises(CommitOutcomeUnknown):
            uow.commit()
    assert work(storage, lambda uow: uow.outbox.claim(9, NOW, NOW)) == []


def terminate_others(engine: Engine) -> None:
    other = create_engine(engine.url.render_as_string(hide_password=False))
    with other.connect() as connection:
        assert connection.execute(TERMINATE).all()
    other.dispose()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_after_a_restart_of_the_server_everything_just_works(end: str) -> None:
    with postgres() as server:
        engine = create_engine(server.url)
        migrate(engine)
        storage = SqlStorage(engine)
        stock_up(storage, "acme", apple=5)
        race([lambda: work(storage, lambda uow: uow.stock.lock(["apple"]))] * 5)
        getattr(server, end)()
        server.start()
        # Every connection of the pool has to be replaced, and none of these calls may notice.
        answers = race([lambda: work(storage, lambda uow: uow.stock.lock(["apple"]))] * 5)
        assert [answer["apple"].on_hand for answer in answers] == [5] * 5
        assert central(storage, "apple") == (5, 0)
        engine.dispose()


def test_a_statement_that_takes_too_long_gives_up(postgresql: Engine) -> None:
    storage = SqlStorage(postgresql)
    stock_up(storage, "acme", apple=5)
    with storage.unit_of_work() as holder, Transaction(postgresql) as waiting:
        holder.stock.lock(["apple"])
        waiting.fetch_all(text("SELECT set_config('statement_timeout', '50ms', true)"))
        with pytest.raises(StorageUnavailable, match="statement timeout"):
            waiting.fetch_all(text("SELECT 1 FROM central_stock FOR UPDATE"))


def test_a_deadlock_is_a_conflict_for_one_of_the_two(postgresql: Engine) -> None:
    """The use cases lock in one order; only somebody else could bring this about."""
    storage = SqlStorage(postgresql)
    stock_up(storage, "acme", apple=5, pear=5)
    with storage.unit_of_work() as first, storage.unit_of_work() as second:
        first.stock.lock(["apple"])
        second.stock.lock(["pear"])
        errors: list[OrderAggregatorError] = []

        def cross() -> None:
            try:
                first.stock.lock(["pear"])
            except Conflict as error:
                errors.append(error)

        thread = Thread(target=cross)
        thread.start()
        try:
            second.stock.lock(["apple"])
        except Conflict as error:
            errors.append(error)
            second.__exit__(None, None, None)
        thread.join()
    assert len(errors) == 1
    assert "deadlock" in str(errors[0])


def test_a_pool_that_is_used_up_is_unavailable(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine.pool, "_timeout", 0.05)
    connections = [engine.connect() for _ in range(30)]
    with pytest.raises(StorageUnavailable, match="no database connection"):
        SqlStorage(engine).read_model.ping()
    for connection in connections:
        connection.close()


def test_another_program_that_keeps_writing_is_a_conflict(sqlite: Engine) -> None:
    other = sqlite3.connect(str(sqlite.url.database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with sqlite.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 10")
    with pytest.raises(Conflict, match="locked"):
        work(SqlStorage(sqlite), lambda uow: uow.outbox.announce([next_order_id()], NOW))
    other.close()
    work(SqlStorage(sqlite), lambda uow: uow.outbox.announce([next_order_id()], NOW))


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/some/where/data.db")
    migrate(engine)
    SqlStorage(engine).read_model.ping()
    engine.dispose()


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidValue, match=r"^database_url: cannot create"):
        create_engine(f"sqlite:///{tmp_path}/file/data.db")


def _text(path: Path) -> None:
    path.write_text("This is not the database you are looking for. " * 100)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda folder: (folder / "data.db").mkdir(), "data.db is not a file"),
        (lambda folder: os.mkfifo(folder / "data.db"), "data.db is not a file"),
        (lambda folder: (folder / "data.db").symlink_to("/dev/null"), "data.db is not a file"),
        (lambda folder: (folder / "data.db.lock").mkdir(), "data.db.lock is not a file"),
        (lambda folder: _text(folder / "data.db"), "data.db: file is not a database"),
    ],
)
def test_a_file_that_can_never_be_the_database_is_refused(
    tmp_path: Path, make: Callable[[Path], None], problem: str
) -> None:
    make(tmp_path)
    with pytest.raises(InvalidValue) as caught:
        create_engine(f"sqlite:///{tmp_path}/data.db")
    assert str(caught.value) == f"database_url: {tmp_path}/{problem}"


@pytest.mark.parametrize("name", ["", "data.db", "data.db.lock"])
def test_what_cannot_be_written_is_refused(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests may run as root, who is refused by a read-only file system alone."""
    forbidden = tmp_path / name
    (tmp_path / "data.db").touch()
    (tmp_path / "data.db.lock").touch()
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != forbidden)
    with pytest.raises(InvalidValue, match=rf"^database_url: cannot .*write.* {forbidden}$"):
        create_engine(f"sqlite:///{tmp_path}/data.db")


def test_a_database_in_use_is_not_refused(sqlite: Engine) -> None:
    """That another program keeps it locked will pass."""
    sqlite.dispose()
    other = sqlite3.connect(str(sqlite.url.database), isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    create_engine(sqlite.url.render_as_string())
    other.close()


@pytest.mark.parametrize("call", ask_for_everything(create_engine(NOWHERE)))
def test_a_file_that_is_no_database_any_more_is_unavailable(tmp_path: Path, call: str) -> None:
    """What happens to a process that is running may pass: it waits."""
    engine = create_engine(f"sqlite:///{tmp_path}/data.db")
    _text(tmp_path / "data.db")
    with pytest.raises(StorageUnavailable):
        ask_for_everything(engine)[call]()
    engine.dispose()


@pytest.mark.parametrize("call", ask_for_everything(create_engine(NOWHERE)))
@pytest.mark.parametrize("name", ["data.db", "no/where/data.db"])
def test_where_no_file_is_none_is_made(tmp_path: Path, call: str, name: str) -> None:
    """The name may be a slip; and who comes before the tables waits for whoever makes them."""
    path = tmp_path / name
    engine = create_engine(f"sqlite:///{path}")
    expected = f"^there is no database at {path}: run `order-aggregator migrate`$"
    with pytest.raises(StorageUnavailable, match=expected):
        ask_for_everything(engine)[call]()
    assert list(tmp_path.iterdir()) == []
    migrate(engine)
    ask_for_everything(engine)[call]()
    engine.dispose()


@pytest.mark.parametrize("call", ask_for_everything(create_engine(NOWHERE)))
def test_an_empty_file_is_a_database_without_tables(tmp_path: Path, call: str) -> None:
    (tmp_path / "data.db").touch()
    engine = create_engine(f"sqlite:///{tmp_path}/data.db")
    with pytest.raises(StorageUnavailable, match="has not the expected tables"):
        ask_for_everything(engine)[call]()
    engine.dispose()


def test_any_name_of_a_file_is_a_database(tmp_path: Path) -> None:
    path = tmp_path / "ü ?#%41&mode=ro'"
    engine = create_engine(URL.create("sqlite", database=str(path)).render_as_string())
    migrate(engine)
    SqlStorage(engine).read_model.ping()
    engine.dispose()
    assert sorted(tmp_path.iterdir()) == [path, Path(f"{path}.lock")]


def test_a_folder_that_vanished_is_a_clear_error(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    engine = create_engine(f"sqlite:///{folder}/data.db")
    migrate(engine)
    engine.dispose()
    shutil.rmtree(folder)
    for call in ask_for_everything(engine).values():
        with pytest.raises(StorageUnavailable, match="there is no database at"):
            call()
    folder.touch()
    with pytest.raises(StorageUnavailable, match=f"cannot create {folder}/data.db: "):
        migrate(engine)
    engine.dispose()


def test_a_lock_that_cannot_be_had_is_a_clear_error(sqlite: Engine) -> None:
    lock = Path(f"{sqlite.url.database}.lock")
    lock.unlink()
    lock.mkdir()
    with pytest.raises(StorageUnavailable, match="cannot write beside the database"):
        work(SqlStorage(sqlite), lambda uow: uow.outbox.announce([next_order_id()], NOW))


SQLSTATES = {
    "08006": StorageUnavailable,
    "22003": None,
    "23502": ConstraintViolated,
    "23503": ConstraintViolated,
    "23505": Conflict,
    "23514": ConstraintViolated,
    "25006": StorageUnavailable,
    "28P01": StorageUnavailable,
    "40001": Conflict,
    "40P01": Conflict,
    "42601": None,
    "42P01": StorageUnavailable,
    "53100": StorageUnavailable,
    "53300": StorageUnavailable,
    "55P03": Conflict,
    "57014": StorageUnavailable,
    "57P01": StorageUnavailable,
    "57P03": StorageUnavailable,
}


@pytest.mark.parametrize(("sqlstate", "expected"), SQLSTATES.items())
def test_every_answer_of_the_server_has_its_translation(
    sqlstate: str, expected: type[OrderAggregatorError] | None
) -> None:
    """An error that has none is a bug of ours: it stays what it is."""
    cause = psycopg.errors.lookup(sqlstate)("first line\nmore")
    error = OperationalError("SELECT 1", {}, cause)
    with pytest.raises(expected or DBAPIError) as caught, driver_errors_translated():
        raise error
    if expected:
        assert caught.value.__cause__ is error


def test_what_was_committed_is_there_although_the_server_is_killed_at_once() -> None:
    with postgres() as server:
        engine = create_engine(server.url)
        migrate(engine)
        shop = Shop(SqlStorage(engine))
        shop.sync("acme", {"apple": 5})
        order = shop.accepted(apple=2)
        server.kill()
        server.start()
        assert shop.order(order.id) == order
        assert shop.discrepancies() == []
        engine.dispose()


def test_for_a_reader_a_locked_database_is_just_unavailable(sqlite: Engine) -> None:
    other = sqlite3.connect(str(sqlite.url.database), isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    with sqlite.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 10")
        connection.exec_driver_sql("PRAGMA journal_mode = DELETE")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StorageUnavailable, match="locked"):
        SqlStorage(sqlite).read_model.stock(0, 1)
    other.close()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_postgresql_has_several_names(database_url: str, scheme: str) -> None:
    engine = create_engine(database_url.replace("postgresql+psycopg", scheme))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    engine.dispose()

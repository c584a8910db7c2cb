"""Migrations make the schema that the code expects, once, whoever asks for it."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, Engine, MetaData, select, text, update

from order_aggregator.adapters.sql import SqlStorage, create_engine, migrate
from order_aggregator.adapters.sql.engine import create_sqlite_file
from order_aggregator.adapters.sql.migrations import compatible_from, newest_revision, upgrade
from order_aggregator.adapters.sql.reset import reset
from order_aggregator.adapters.sql.revision import HEAD, VERSION_TABLE, SchemaTooNew
from order_aggregator.adapters.sql.schema import metadata
from order_aggregator.domain.errors import InvalidValue, StorageUnavailable
from order_aggregator.testing.shop import Shop, next_order_id
from order_aggregator.testing.shop_work import NOW

MIGRATE = """
import sys
from order_aggregator.adapters.sql import create_engine, migrate
engine = create_engine(sys.argv[1])
sys.stdin.read(1)
migrate(engine)
engine.dispose()
"""


def test_migrations_and_tables_agree(engine: Engine) -> None:
    with engine.connect() as connection:
        options = {"compare_type": True, "version_table": VERSION_TABLE.name}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_migrations_and_tables_agree_on_what_is_checked(engine: Engine) -> None:
    """Alembic does not compare checks."""
    found = MetaData()
    found.reflect(engine)
    assert _checks(found) == _checks(metadata)


def _checks(tables: MetaData) -> set[str]:
    return {
        f"{table.name}: {constraint.name}"
        for table in tables.sorted_tables
        for constraint in table.constraints
        if isinstance(constraint, CheckConstraint)
    }


def test_migrating_again_changes_nothing(engine: Engine) -> None:
    shop = Shop(SqlStorage(engine))
    shop.sync("acme", {"apple": 5})
    migrate(engine)
    assert shop.balance("apple") == (5, 0)


def test_the_schema_is_current_once_it_is_migrated(url: str) -> None:
    engine = create_engine(url)
    with pytest.raises(StorageUnavailable, match="order-aggregator migrate"):
        SqlStorage(engine).read_model.ping()
    migrate(engine)
    SqlStorage(engine).read_model.ping()
    engine.dispose()


def test_the_revision_that_is_expected_is_the_newest() -> None:
    assert newest_revision() == HEAD


def test_a_schema_of_another_version_is_not_ready(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE order_aggregator_version SET version_num = '0001'"))
    with pytest.raises(StorageUnavailable, match="order-aggregator migrate"):
        SqlStorage(engine).read_model.ping()


def _pretend(engine: Engine, revision: str, compatible_from: str | None) -> None:
    with engine.begin() as connection:
        row = {"version_num": revision, "compatible_from": compatible_from}
        connection.execute(update(VERSION_TABLE).values(row))


def test_a_newer_schema_is_as_good_where_its_migrations_say_so(engine: Engine) -> None:
    """So `migrate` first and a rolling restart afterwards is no outage."""
    _pretend(engine, "9999", HEAD)
    SqlStorage(engine).read_model.ping()
    migrate(engine)
    with engine.connect() as connection:
        assert connection.execute(select(VERSION_TABLE)).one() == ("9999", HEAD)


@pytest.mark.parametrize("compatible_from", ["9999", None])
def test_a_newer_schema_is_refused_otherwise(engine: Engine, compatible_from: str | None) -> None:
    _pretend(engine, "9999", compatible_from)
    with pytest.raises(SchemaTooNew, match=r"newer version .* upgrade this program"):
        SqlStorage(engine).read_model.ping()
    with pytest.raises(SchemaTooNew):
        migrate(engine)


def test_the_database_knows_the_oldest_code_that_can_go_on(engine: Engine) -> None:
    with engine.connect() as connection:
        row = connection.execute(select(VERSION_TABLE)).one()
    assert row == (HEAD, compatible_from(HEAD))


def test_old_code_goes_on_as_far_back_as_each_migration_lets_it() -> None:
    """An index, and columns that may be empty: 0004 lets code of 0003 run, which lets none."""
    assert compatible_from("0004") == "0003"
    assert compatible_from("0011") == "0009"


def test_several_processes_may_migrate_at_once(url: str) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", MIGRATE, url], stdin=subprocess.PIPE)
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"!")
        process.stdin.close()
    assert [process.wait(60) for process in processes] == [0] * 4
    engine = create_engine(url)
    SqlStorage(engine).read_model.ping()
    engine.dispose()


def test_a_migration_that_fails_leaves_nothing_behind(url: str) -> None:
    engine = create_engine(url)
    create_sqlite_file(engine)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE outbox (id integer)"))
    with pytest.raises(Exception, match="outbox"):
        migrate(engine)
    with engine.connect() as connection:
        found = MetaData()
        found.reflect(connection)
    assert set(found.tables) == {"outbox"}
    engine.dispose()


BEFORE_COUNTING = """
    INSERT INTO products (id, name) VALUES ('apple', 'Apple');
    INSERT INTO vendors (id, name, as_of) VALUES ('acme', 'Acme', '{report}');
    INSERT INTO central_stock (product_id, on_hand, reserved, updated_at)
        VALUES ('apple', 4, 0, '{report}');
    INSERT INTO vendor_stock (product_id, vendor_id, available, reported, as_of)
        VALUES ('apple', 'acme', 4, 9, '{report}');
    INSERT INTO stock_adjustments (vendor_id, product_id, delta, cause, at)
        VALUES ('acme', 'apple', 14, 'snapshot', '{report}');
    INSERT INTO orders (id, status, created_at, updated_at, sent_at) VALUES
        ('{first}', 'fulfilled', '{before}', '{before}', '{before}'),
        ('{second}', 'fulfilled', '{after}', '{after}', '{after}'),
        ('{third}', 'fulfilled', '{after}', '{after}', '{after}');
    INSERT INTO order_lines (order_id, product_id, quantity, position) VALUES
        ('{first}', 'apple', 5, 0), ('{second}', 'apple', 3, 0), ('{third}', 'apple', 2, 0);
    INSERT INTO allocations (order_id, product_id, vendor_id, quantity, allocated_at) VALUES
        ('{first}', 'apple', 'acme', 5, '{before}'),
        ('{second}', 'apple', 'acme', 3, '{after}'),
        ('{third}', 'apple', 'acme', 2, '{after}')
"""


def test_what_was_allocated_before_is_counted_as_it_was(url: str) -> None:
    """The last report of 9 had counted the 5 before it, and none of the 5 after it."""
    engine = create_engine(url)
    upgrade(engine, "0004")
    ids = [next_order_id() for _ in range(3)]
    shown = [key.hex if engine.dialect.name == "sqlite" else str(key) for key in ids]
    times = {
        name: (NOW + timedelta(minutes=minute)).isoformat(timespec="microseconds")
        for name, minute in {"before": 0, "report": 1, "after": 2}.items()
    }
    script = BEFORE_COUNTING.format(first=shown[0], second=shown[1], third=shown[2], **times)
    with engine.begin() as connection:
        for statement in script.split(";"):
            connection.exec_driver_sql(statement)
    migrate(engine)
    shop = Shop(SqlStorage(engine))
    with shop.storage.unit_of_work() as uow:
        [level] = uow.stock.lock_vendor_stock(["apple"])
    assert (level.available, level.allocated, level.counted) == (4, 10, 5)
    sequences = [shop.order(key).allocations[0].sequence for key in ids]
    assert sequences == [5, 8, 10]
    assert shop.discrepancies() == []
    engine.dispose()


def test_ids_sort_byte_by_byte(postgresql: Engine) -> None:
    """Whatever the language of the server is."""
    query = (
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND data_type = 'text' AND collation_name = 'C'"
    )
    with postgresql.connect() as connection:
        found = {tuple(row) for row in connection.execute(text(query))}
    assert found == {
        (table.name, column.name)
        for table in metadata.sorted_tables
        for column in table.columns
        if (table.name in ("products", "vendors", "webhooks", "processes") and column.name == "id")
        or column.name in ("product_id", "vendor_id", "webhook_id", "message_id", "process_id")
    }


def test_a_schema_of_its_own_keeps_out_of_the_tables_of_a_host(fresh_database_url: str) -> None:
    host = create_engine(fresh_database_url)
    ours = create_engine(fresh_database_url, "our_orders")
    others = create_engine(fresh_database_url, "user")
    with host.begin() as connection:
        for name in ("orders", "products", "alembic_version"):
            connection.exec_driver_sql(f"CREATE TABLE {name} (theirs integer)")
    for engine in (ours, others):
        with pytest.raises(StorageUnavailable, match="order-aggregator migrate"):
            SqlStorage(engine).read_model.ping()
        migrate(engine)
        SqlStorage(engine).read_model.ping()
    shop = Shop(SqlStorage(ours))
    shop.sync("acme", {"apple": 5})
    assert shop.balance("apple") == (5, 0)
    Shop(SqlStorage(others)).sync("acme", {"apple": 3})
    reset(others)
    assert shop.balance("apple") == (5, 0)
    with ours.begin() as connection:
        connection.exec_driver_sql("INSERT INTO public.orders VALUES (1)")
    for engine in (host, ours, others):
        engine.dispose()


@pytest.mark.parametrize("schema", ["", "1st", "pg_mine", "Orders", "a" * 64, 'a"; DROP', "a\n"])
def test_a_schema_has_a_plain_name(schema: str) -> None:
    with pytest.raises(InvalidValue, match="database_schema: must be up to 63 of a-z"):
        create_engine("postgresql://u@127.0.0.1/x", schema)


def test_sqlite_has_no_schemas(tmp_path: Path) -> None:
    with pytest.raises(InvalidValue, match="database_schema: is for PostgreSQL"):
        create_engine(f"sqlite:///{tmp_path}/x.db", "ours")


def test_readers_of_sqlite_do_not_wait_for_its_writer(sqlite: Engine) -> None:
    storage = SqlStorage(sqlite)
    shop = Shop(storage)
    shop.sync("acme", {"apple": 5})
    with storage.unit_of_work() as uow:
        uow.outbox.announce([next_order_id()], NOW)
        assert shop.balance("apple") == (5, 0)
        storage.read_model.ping()
        assert shop.discrepancies() == []


def test_a_commit_to_sqlite_waits_for_the_disk(sqlite: Engine) -> None:
    with sqlite.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2

"""Holds, orders that wait, lines that are cancelled, and what happened."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
# It cannot read orders that are held or wait, and does not count an order's steps.
OLD_CODE_RUNS = False

TEXT_ID = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
TIMESTAMP = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

OLD = "status IN ('reserved', 'fulfilled', 'failed', 'cancelled', 'returned')"
NEW = (
    "status IN ('held', 'backordered', 'reserved', 'fulfilled', 'failed', 'cancelled', "
    "'expired', 'returned')"
)

IS_NO_STEP = """
    NEW.status <> OLD.status AND NOT (
        (OLD.status = 'held' AND NEW.status IN ('reserved', 'cancelled', 'expired'))
        OR (OLD.status = 'backordered' AND NEW.status IN ('reserved', 'cancelled'))
        OR (OLD.status = 'reserved' AND NEW.status IN ('fulfilled', 'failed', 'cancelled'))
        OR (OLD.status = 'fulfilled' AND NEW.status = 'returned')
        OR (OLD.status = 'expired' AND NEW.status = 'reserved')
    )
"""
WAS_NO_STEP = """
    NEW.status <> OLD.status AND NOT (
        (OLD.status = 'reserved' AND NEW.status IN ('fulfilled', 'failed', 'cancelled'))
        OR (OLD.status = 'fulfilled' AND NEW.status = 'returned')
    )
"""


def upgrade() -> None:
    _add_columns()
    _add_tables()
    if op.get_context().dialect.name == "sqlite":
        _replace_check_of_sqlite(OLD, NEW)
        op.execute("DROP TRIGGER orders_step")
        op.execute(SQLITE_TRIGGER)
        return
    op.drop_constraint("orders_status_known", "orders", type_="check")
    op.create_check_constraint(op.f("orders_status_known"), "orders", NEW)
    op.execute("DROP TRIGGER orders_step ON orders")
    op.execute(POSTGRESQL_TRIGGER)


def _units(name: str, table: str, condition: str, constraint: str) -> sa.Column[int]:
    check = sa.CheckConstraint(condition, name=f"{table}_{constraint}")
    return sa.Column(name, sa.BigInteger, check, nullable=False, server_default="0")


def _add_columns() -> None:
    central = "central_stock"
    op.add_column(
        central, _units("backordered", central, "backordered >= 0", "backordered_not_negative")
    )
    for name in ("low_at", "backorder_limit"):
        check = sa.CheckConstraint(f"{name} >= 0", name=f"{central}_{name}_not_negative")
        op.add_column(central, sa.Column(name, sa.BigInteger, check))
    op.add_column(central, sa.Column("holds_expire_at", TIMESTAMP))
    for name, condition in (
        ("backordered", sa.text("backordered > 0")),
        ("holds_expire_at", sa.text("holds_expire_at IS NOT NULL")),
    ):
        op.create_index(
            f"central_stock_{name}",
            central,
            ["product_id" if name == "backordered" else name],
            postgresql_where=condition,
            sqlite_where=condition,
        )
    op.add_column("orders", sa.Column("problem", sa.Text))
    op.add_column("orders", sa.Column("digest", sa.Text))
    op.add_column(
        "orders",
        sa.Column(
            "expires_at",
            TIMESTAMP,
            sa.CheckConstraint(
                "status <> 'held' OR expires_at IS NOT NULL", name="orders_hold_expires"
            ),
        ),
    )
    op.add_column("orders", sa.Column("rest_id", sa.Uuid))
    op.add_column("orders", sa.Column("sequence", sa.Integer, nullable=False, server_default="1"))
    op.add_column("orders", sa.Column("history", sa.Text, nullable=False, server_default=""))
    op.add_column("orders", sa.Column("fulfilled_at", TIMESTAMP))
    op.execute("UPDATE orders SET fulfilled_at = updated_at WHERE status = 'fulfilled'")
    op.add_column(
        "order_lines",
        _units(
            "cancelled",
            "order_lines",
            "cancelled >= 0 AND cancelled <= quantity",
            "cancelled_was_ordered",
        ),
    )


def _add_tables() -> None:
    line = ["order_lines.order_id", "order_lines.product_id"]
    op.create_table(
        "hold_lines",
        sa.Column("product_id", TEXT_ID, nullable=False),
        sa.Column("expires_at", TIMESTAMP, nullable=False),
        sa.Column("order_id", sa.Uuid, nullable=False),
        sa.PrimaryKeyConstraint("product_id", "expires_at", "order_id", name="hold_lines_pkey"),
        sa.ForeignKeyConstraint(["order_id", "product_id"], line, name="hold_lines_order_id_fkey"),
        sqlite_with_rowid=False,
    )
    op.create_index("hold_lines_order_id", "hold_lines", ["order_id"])
    op.create_table(
        "backorders",
        sa.Column("id", ROW_ID, sa.Identity(), nullable=False),
        sa.Column("order_id", sa.Uuid, nullable=False),
        sa.Column("product_id", TEXT_ID, nullable=False),
        sa.Column("units", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="backorders_pkey"),
        sa.ForeignKeyConstraint(["order_id", "product_id"], line, name="backorders_order_id_fkey"),
        sa.CheckConstraint("units > 0", name="backorders_units_positive"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "backorders_order_id_product_id", "backorders", ["order_id", "product_id"], unique=True
    )
    op.create_index("backorders_product_id_id", "backorders", ["product_id", "id"])
    op.create_table(
        "event_batches",
        sa.Column("id", ROW_ID, sa.Identity(), nullable=False),
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.Column("events", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="event_batches_pkey"),
        sqlite_autoincrement=True,
    )
    op.create_index("event_batches_position", "event_batches", ["position"], unique=True)
    op.create_index("event_batches_created_at", "event_batches", ["created_at"])
    new = sa.text("position IS NULL")
    op.create_index(
        "event_batches_new", "event_batches", ["id"], postgresql_where=new, sqlite_where=new
    )
    op.create_table(
        "event_position",
        sa.Column("id", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("last", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="event_position_pkey"),
        sa.CheckConstraint("id = 1", name="event_position_one_row"),
    )
    op.create_table(
        "event_cursors",
        sa.Column("reader", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("claimed_until", TIMESTAMP),
        sa.PrimaryKeyConstraint("reader", name="event_cursors_pkey"),
        sqlite_with_rowid=False,
    )


def _replace_check_of_sqlite(before: str, after: str) -> None:
    """SQLite has no statement for it; this way is that of its manual (lang_altertable, 7)."""
    connection = op.get_bind()
    version = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema = ON")
    connection.exec_driver_sql(
        "UPDATE sqlite_schema SET sql = replace(sql, ?, ?)"
        " WHERE type = 'table' AND name = 'orders'",
        (before, after),
    )
    connection.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema = OFF")


SQLITE_TRIGGER = f"""
    CREATE TRIGGER orders_step
    BEFORE UPDATE OF status ON orders
    WHEN {IS_NO_STEP}
    BEGIN
        SELECT RAISE(ABORT, 'no such step');
    END
"""

POSTGRESQL_TRIGGER = f"""
    CREATE TRIGGER orders_step
    BEFORE UPDATE OF status ON orders
    FOR EACH ROW
    WHEN ({IS_NO_STEP})
    EXECUTE FUNCTION refuse_step()
"""


# Where holds and waiting orders are gone, and cancelled units are no part of a line.
RESERVED = """
    UPDATE central_stock SET reserved = (
        SELECT coalesce(sum(l.quantity), 0)
        FROM order_lines AS l JOIN orders AS o ON o.id = l.order_id
        WHERE l.product_id = central_stock.product_id AND o.status = 'reserved'
    )
"""
DROP_CANCELLED_LINES = """
    DELETE FROM order_lines WHERE cancelled = quantity AND order_id IN (
        SELECT id FROM orders WHERE status IN ('reserved', 'fulfilled', 'returned')
    )
"""
SHORTEN_LINES = """
    UPDATE order_lines SET quantity = quantity - cancelled WHERE cancelled > 0 AND order_id IN (
        SELECT id FROM orders WHERE status IN ('reserved', 'fulfilled', 'returned')
    )
"""


def downgrade() -> None:
    """Cancels holds and orders that wait for stock; forgets events, histories and thresholds."""
    is_sqlite = op.get_context().dialect.name == "sqlite"
    op.execute("DROP TRIGGER orders_step" if is_sqlite else "DROP TRIGGER orders_step ON orders")
    for table in ("hold_lines", "backorders", "event_cursors", "event_position", "event_batches"):
        op.drop_table(table)
    op.execute(
        "UPDATE orders SET status = 'cancelled' WHERE status IN ('held', 'backordered', 'expired')"
    )
    op.execute(DROP_CANCELLED_LINES)
    op.execute(SHORTEN_LINES)
    op.execute(RESERVED)
    _drop_columns()
    if is_sqlite:
        _replace_check_of_sqlite(NEW, OLD)
        op.execute(SQLITE_TRIGGER.replace(IS_NO_STEP, WAS_NO_STEP))
        return
    op.drop_constraint("orders_status_known", "orders", type_="check")
    op.create_check_constraint(op.f("orders_status_known"), "orders", OLD)
    op.execute(POSTGRESQL_TRIGGER.replace(IS_NO_STEP, WAS_NO_STEP))


def _drop_columns() -> None:
    for column in ("backordered", "holds_expire_at"):
        op.drop_index(f"central_stock_{column}", "central_stock")
    columns = {
        "order_lines": ["cancelled"],
        "central_stock": ["backordered", "low_at", "backorder_limit", "holds_expire_at"],
        "orders": [
            "expires_at",
            "problem",
            "digest",
            "rest_id",
            "sequence",
            "history",
            "fulfilled_at",
        ],
    }
    for table, names in columns.items():
        for name in names:
            op.execute(f"ALTER TABLE {table} DROP COLUMN {name}")

"""Orders that come back; and no step that the domain's table of steps does not have."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
# It cannot read an order that was returned.
OLD_CODE_RUNS = False

OLD = "status IN ('reserved', 'fulfilled', 'failed', 'cancelled')"
NEW = "status IN ('reserved', 'fulfilled', 'failed', 'cancelled', 'returned')"

IS_NO_STEP = """
    NEW.status <> OLD.status AND NOT (
        (OLD.status = 'reserved' AND NEW.status IN ('fulfilled', 'failed', 'cancelled'))
        OR (OLD.status = 'fulfilled' AND NEW.status = 'returned')
    )
"""


def upgrade() -> None:
    op.add_column(
        "allocations",
        sa.Column(
            "returned",
            sa.BigInteger,
            sa.CheckConstraint(
                "returned >= 0 AND returned <= quantity",
                name="allocations_returned_was_allocated",
            ),
            nullable=False,
            server_default="0",
        ),
    )
    if op.get_context().dialect.name == "sqlite":
        _replace_check_of_sqlite(OLD, NEW)
        op.execute(SQLITE_TRIGGER)
        return
    op.drop_constraint("orders_status_known", "orders", type_="check")
    op.create_check_constraint(op.f("orders_status_known"), "orders", NEW)
    op.execute(POSTGRESQL_FUNCTION)
    op.execute(POSTGRESQL_TRIGGER)


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

POSTGRESQL_FUNCTION = """
    CREATE FUNCTION refuse_step() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'order % is %: it cannot become %', NEW.id, OLD.status, NEW.status
            USING ERRCODE = 'check_violation';
    END
    $$
"""

POSTGRESQL_TRIGGER = f"""
    CREATE TRIGGER orders_step
    BEFORE UPDATE OF status ON orders
    FOR EACH ROW
    WHEN ({IS_NO_STEP})
    EXECUTE FUNCTION refuse_step()
"""


def downgrade() -> None:
    """Orders that came back become fulfilled ones; what came back stays in stock."""
    is_sqlite = op.get_context().dialect.name == "sqlite"
    op.execute("DROP TRIGGER orders_step" if is_sqlite else "DROP TRIGGER orders_step ON orders")
    op.execute("UPDATE orders SET status = 'fulfilled' WHERE status = 'returned'")
    op.execute("ALTER TABLE allocations DROP COLUMN returned")
    if is_sqlite:
        _replace_check_of_sqlite(NEW, OLD)
        return
    op.execute("DROP FUNCTION refuse_step")
    op.drop_constraint("orders_status_known", "orders", type_="check")
    op.create_check_constraint(op.f("orders_status_known"), "orders", OLD)

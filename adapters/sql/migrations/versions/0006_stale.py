"""Vendors that are silent, or whose reports are not believed; bad rows; one clock."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
# It does not tell stale stock apart, so the trigger would refuse its orders.
OLD_CODE_RUNS = False

TEXT_ID = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
# What the trigger did not know before.
STALE = " - NEW.stale"
TIMESTAMP = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    for column in ("silent_at", "heard_at", "quarantined_at"):
        op.add_column("vendors", sa.Column(column, TIMESTAMP))
    op.add_column(
        "vendors", sa.Column("approved", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.create_table(
        "rejections",
        sa.Column("vendor_id", TEXT_ID, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("place", sa.Text, nullable=False),
        sa.Column("product_id", TEXT_ID),
        sa.Column("field", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("vendor_id", "position", name="rejections_pkey"),
        sqlite_with_rowid=False,
    )
    for table in ("vendors", "vendor_stock"):
        op.add_column(
            table, sa.Column("stale", sa.Boolean, nullable=False, server_default=sa.false())
        )
    op.create_table(
        "boots",
        sa.Column("boot_id", sa.Text, nullable=False),
        sa.Column("started_at", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("boot_id", name="boots_pkey"),
        sqlite_with_rowid=False,
    )
    op.add_column(
        "central_stock",
        sa.Column(
            "stale",
            sa.BigInteger,
            sa.CheckConstraint(
                "stale >= 0 AND stale <= on_hand", name="central_stock_stale_is_on_hand"
            ),
            nullable=False,
            server_default="0",
        ),
    )
    op.drop_index("vendor_stock_by_available", "vendor_stock")
    op.create_index(
        "vendor_stock_by_available",
        "vendor_stock",
        ["product_id", "stale", sa.text("available DESC"), "vendor_id"],
    )
    if op.get_context().dialect.name == "sqlite":
        op.execute("DROP TRIGGER central_stock_no_oversell")
        op.execute(SQLITE_TRIGGER)
    else:
        op.execute("DROP TRIGGER central_stock_no_oversell ON central_stock")
        op.execute(POSTGRESQL_TRIGGER)


SQLITE_TRIGGER = """
    CREATE TRIGGER central_stock_no_oversell
    BEFORE UPDATE ON central_stock
    WHEN NEW.reserved > OLD.reserved AND NEW.reserved > NEW.on_hand - NEW.stale
    BEGIN
        SELECT RAISE(ABORT, 'more reserved than there is on hand');
    END
"""

POSTGRESQL_TRIGGER = """
    CREATE TRIGGER central_stock_no_oversell
    BEFORE UPDATE ON central_stock
    FOR EACH ROW
    WHEN (NEW.reserved > OLD.reserved AND NEW.reserved > NEW.on_hand - NEW.stale)
    EXECUTE FUNCTION refuse_oversell()
"""


def downgrade() -> None:
    """Sells stale stock again; forgets which vendors wait for approval, and rejected rows."""
    if op.get_context().dialect.name == "sqlite":
        op.execute("DROP TRIGGER central_stock_no_oversell")
        op.execute(SQLITE_TRIGGER.replace(STALE, ""))
    else:
        op.execute("DROP TRIGGER central_stock_no_oversell ON central_stock")
        op.execute(POSTGRESQL_TRIGGER.replace(STALE, ""))
    op.drop_index("vendor_stock_by_available", "vendor_stock")
    op.create_index(
        "vendor_stock_by_available",
        "vendor_stock",
        ["product_id", sa.text("available DESC"), "vendor_id"],
    )
    op.drop_table("boots")
    op.drop_table("rejections")
    for column in ("silent_at", "heard_at", "quarantined_at", "approved", "stale"):
        op.execute(f"ALTER TABLE vendors DROP COLUMN {column}")
    for table in ("vendor_stock", "central_stock"):
        op.execute(f"ALTER TABLE {table} DROP COLUMN stale")

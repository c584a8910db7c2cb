"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
# There is none before.
OLD_CODE_RUNS = False

TEXT_ID = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
TIMESTAMP = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_stock()
    _create_adjustments()
    _create_orders()
    _create_order_lines()
    _create_allocations()
    _create_outbox()
    if op.get_context().dialect.name == "sqlite":
        op.execute(SQLITE_TRIGGER)
    else:
        op.execute(POSTGRESQL_FUNCTION)
        op.execute(POSTGRESQL_TRIGGER)


def _create_stock() -> None:
    op.create_table(
        "products",
        sa.Column("id", TEXT_ID, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="products_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "vendors",
        sa.Column("id", TEXT_ID, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("as_of", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("id", name="vendors_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "central_stock",
        sa.Column("product_id", TEXT_ID, nullable=False),
        sa.Column("on_hand", sa.BigInteger, nullable=False),
        sa.Column("reserved", sa.BigInteger, nullable=False),
        sa.Column("updated_at", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("product_id", name="central_stock_pkey"),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.id"], name="central_stock_product_id_fkey"
        ),
        sa.CheckConstraint("on_hand >= 0", name="central_stock_on_hand_not_negative"),
        sa.CheckConstraint("reserved >= 0", name="central_stock_reserved_not_negative"),
        postgresql_with={"fillfactor": "50"},
        sqlite_with_rowid=False,
    )
    op.create_table(
        "vendor_stock",
        sa.Column("product_id", TEXT_ID, nullable=False),
        sa.Column("vendor_id", TEXT_ID, nullable=False),
        sa.Column("available", sa.BigInteger, nullable=False),
        sa.Column("reported", sa.BigInteger, nullable=False),
        sa.Column("as_of", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("vendor_id", "product_id", name="vendor_stock_pkey"),
        sa.ForeignKeyConstraint(
            ["product_id"], ["central_stock.product_id"], name="vendor_stock_product_id_fkey"
        ),
        sa.ForeignKeyConstraint(["vendor_id"], ["vendors.id"], name="vendor_stock_vendor_id_fkey"),
        sa.CheckConstraint("available >= 0", name="vendor_stock_available_not_negative"),
        sa.CheckConstraint("reported >= 0", name="vendor_stock_reported_not_negative"),
        postgresql_with={"fillfactor": "50"},
        sqlite_with_rowid=False,
    )


def _create_adjustments() -> None:
    op.create_table(
        "stock_adjustments",
        sa.Column("id", ROW_ID, sa.Identity(), nullable=False),
        sa.Column("vendor_id", TEXT_ID, nullable=False),
        sa.Column("product_id", TEXT_ID, nullable=False),
        sa.Column("delta", sa.BigInteger, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        sa.Column("at", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("id", name="stock_adjustments_pkey"),
        sa.ForeignKeyConstraint(
            ["product_id", "vendor_id"],
            ["vendor_stock.product_id", "vendor_stock.vendor_id"],
            name="stock_adjustments_product_id_fkey",
        ),
        sa.CheckConstraint("delta <> 0", name="stock_adjustments_delta_not_zero"),
    )


def _create_orders() -> None:
    op.create_table(
        "orders",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("failure", sa.Text),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.Column("updated_at", TIMESTAMP, nullable=False),
        sa.Column("sent_at", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("id", name="orders_pkey"),
        sa.CheckConstraint(
            "status IN ('reserved', 'fulfilled', 'failed', 'cancelled')", name="orders_status_known"
        ),
        sa.CheckConstraint(
            "(status = 'failed') = (failure IS NOT NULL)", name="orders_failure_has_reason"
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "orders_idempotency_key",
        "orders",
        ["idempotency_key"],
        unique=True,
        postgresql_where=sa.text("idempotency_key IS NOT NULL"),
        sqlite_where=sa.text("idempotency_key IS NOT NULL"),
    )
    op.create_index(
        "orders_not_fulfilled",
        "orders",
        ["status", "id", "sent_at"],
        postgresql_where=sa.text("status <> 'fulfilled'"),
        sqlite_where=sa.text("status <> 'fulfilled'"),
    )


def _create_order_lines() -> None:
    op.create_table(
        "order_lines",
        sa.Column("order_id", sa.Uuid, nullable=False),
        sa.Column("product_id", TEXT_ID, nullable=False),
        sa.Column("quantity", sa.BigInteger, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("order_id", "product_id", name="order_lines_pkey"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name="order_lines_order_id_fkey"),
        sa.ForeignKeyConstraint(
            ["product_id"], ["central_stock.product_id"], name="order_lines_product_id_fkey"
        ),
        sa.CheckConstraint("quantity > 0", name="order_lines_quantity_positive"),
        sqlite_with_rowid=False,
    )
    op.create_index("order_lines_product_id_order_id", "order_lines", ["product_id", "order_id"])


def _create_allocations() -> None:
    op.create_table(
        "allocations",
        sa.Column("order_id", sa.Uuid, nullable=False),
        sa.Column("product_id", TEXT_ID, nullable=False),
        sa.Column("vendor_id", TEXT_ID, nullable=False),
        sa.Column("quantity", sa.BigInteger, nullable=False),
        sa.Column("allocated_at", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("order_id", "product_id", "vendor_id", name="allocations_pkey"),
        sa.ForeignKeyConstraint(
            ["order_id", "product_id"],
            ["order_lines.order_id", "order_lines.product_id"],
            name="allocations_order_id_fkey",
        ),
        sa.ForeignKeyConstraint(
            ["product_id", "vendor_id"],
            ["vendor_stock.product_id", "vendor_stock.vendor_id"],
            name="allocations_product_id_fkey",
        ),
        sa.CheckConstraint("quantity > 0", name="allocations_quantity_positive"),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "allocations_vendor_id_product_id_allocated_at",
        "allocations",
        ["vendor_id", "product_id", "allocated_at"],
    )


def _create_outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", ROW_ID, sa.Identity(), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("due_at", TIMESTAMP),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="outbox_pkey"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "parked_messages",
        sa.Column("id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="parked_messages_pkey"),
    )


SQLITE_TRIGGER = """
    CREATE TRIGGER central_stock_no_oversell
    BEFORE UPDATE ON central_stock
    WHEN NEW.reserved > OLD.reserved AND NEW.reserved > NEW.on_hand
    BEGIN
        SELECT RAISE(ABORT, 'more reserved than there is on hand');
    END
"""

POSTGRESQL_FUNCTION = """
    CREATE FUNCTION refuse_oversell() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '%: more reserved than there is on hand', NEW.product_id
            USING ERRCODE = 'check_violation';
    END
    $$
"""

POSTGRESQL_TRIGGER = """
    CREATE TRIGGER central_stock_no_oversell
    BEFORE UPDATE ON central_stock
    FOR EACH ROW
    WHEN (NEW.reserved > OLD.reserved AND NEW.reserved > NEW.on_hand)
    EXECUTE FUNCTION refuse_oversell()
"""

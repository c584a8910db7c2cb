"""What was ever allocated from each vendor stock, and how much of it the vendor has counted."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

TIMESTAMP = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
TEXT_ID = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")

# Both databases know this form of UPDATE. An earlier report had counted what was allocated by its
# date.
NUMBER = """
    UPDATE allocations SET sequence = numbered.total
    FROM (
        SELECT order_id, product_id, vendor_id, sum(quantity) OVER (
            PARTITION BY vendor_id, product_id ORDER BY allocated_at, order_id
        ) AS total
        FROM allocations
    ) AS numbered
    WHERE allocations.order_id = numbered.order_id
    AND allocations.product_id = numbered.product_id
    AND allocations.vendor_id = numbered.vendor_id
"""
ADD_UP = """
    UPDATE vendor_stock SET allocated = added.allocated, counted = added.counted
    FROM (
        SELECT a.vendor_id, a.product_id, sum(a.quantity) AS allocated,
            sum(CASE WHEN a.allocated_at <= v.as_of THEN a.quantity ELSE 0 END) AS counted
        FROM allocations AS a
        JOIN vendor_stock AS v ON v.vendor_id = a.vendor_id AND v.product_id = a.product_id
        GROUP BY a.vendor_id, a.product_id
    ) AS added
    WHERE vendor_stock.vendor_id = added.vendor_id AND vendor_stock.product_id = added.product_id
"""


def upgrade() -> None:
    op.add_column(
        "vendors", sa.Column("retired", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.add_column(
        "vendor_stock",
        sa.Column("allocated", sa.BigInteger, nullable=False, server_default="0"),
    )
    op.add_column(
        "vendor_stock",
        sa.Column(
            "counted",
            sa.BigInteger,
            sa.CheckConstraint(
                "counted >= 0 AND counted <= allocated", name="vendor_stock_counted_was_allocated"
            ),
            nullable=False,
            server_default="0",
        ),
    )
    op.add_column("vendor_stock", sa.Column("stated_at", TIMESTAMP))
    op.add_column(
        "allocations",
        sa.Column(
            "sequence",
            sa.BigInteger,
            sa.CheckConstraint("sequence >= quantity", name="allocations_sequence_counts_quantity"),
            nullable=False,
            server_default=str(2**63 - 1),
        ),
    )
    op.execute(NUMBER)
    op.execute(ADD_UP)
    op.drop_index("allocations_vendor_id_product_id_allocated_at", "allocations")
    op.create_index("allocations_vendor_id_order_id", "allocations", ["vendor_id", "order_id"])
    # By statements of SQL: Alembic would have SQLite build the tables anew.
    op.execute("ALTER TABLE allocations DROP COLUMN allocated_at")
    op.execute("ALTER TABLE vendor_stock DROP COLUMN as_of")
    if op.get_context().dialect.name == "postgresql":
        for table, column in (
            ("vendor_stock", "allocated"),
            ("vendor_stock", "counted"),
            ("allocations", "sequence"),
        ):
            op.alter_column(table, column, server_default=None)
    op.create_table(
        "allocation_marks",
        sa.Column("vendor_id", TEXT_ID, nullable=False),
        sa.Column("product_id", TEXT_ID, nullable=False),
        sa.Column("allocated", sa.BigInteger, nullable=False),
        sa.Column("marked_at", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint(
            "vendor_id", "product_id", "allocated", name="allocation_marks_pkey"
        ),
        sa.ForeignKeyConstraint(
            ["product_id", "vendor_id"],
            ["vendor_stock.product_id", "vendor_stock.vendor_id"],
            name="allocation_marks_product_id_fkey",
        ),
        sqlite_with_rowid=False,
    )

"""What was ever allocated from each vendor stock, and how much of it the vendor has counted."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
# It reads and writes the columns that are dropped.
OLD_CODE_RUNS = False

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


# What a report has counted was allocated by its date, and the rest after it, as far as is known.
DATE = """
    UPDATE allocations SET allocated_at = dated.at
    FROM (
        SELECT a.order_id, a.product_id, a.vendor_id,
            CASE
                WHEN a.sequence <= s.counted THEN v.as_of
                WHEN o.updated_at > v.as_of THEN o.updated_at
                ELSE {now}
            END AS at
        FROM allocations AS a
        JOIN vendor_stock AS s ON s.vendor_id = a.vendor_id AND s.product_id = a.product_id
        JOIN vendors AS v ON v.id = a.vendor_id
        JOIN orders AS o ON o.id = a.order_id
    ) AS dated
    WHERE allocations.order_id = dated.order_id
    AND allocations.product_id = dated.product_id
    AND allocations.vendor_id = dated.vendor_id
"""


def downgrade() -> None:
    """Forgets which vendors are retired, and in which order stock was allocated."""
    is_sqlite = op.get_context().dialect.name == "sqlite"
    moment = datetime.now(UTC).isoformat(timespec="microseconds")
    op.drop_table("allocation_marks")
    # What pruned orders took would be counted as allocated, were this undone again.
    op.execute("UPDATE stock_adjustments SET cause = 'pruned' WHERE cause = 'archive'")
    for table, column in (("vendor_stock", "as_of"), ("allocations", "allocated_at")):
        op.add_column(table, sa.Column(column, TIMESTAMP, nullable=False, server_default=moment))
    op.execute(DATE.format(now=f"'{moment}'" if is_sqlite else f"timestamptz '{moment}'"))
    op.execute(
        "UPDATE vendor_stock SET as_of = vendors.as_of FROM vendors"
        " WHERE vendors.id = vendor_stock.vendor_id"
    )
    op.drop_index("allocations_vendor_id_order_id", "allocations")
    op.create_index(
        "allocations_vendor_id_product_id_allocated_at",
        "allocations",
        ["vendor_id", "product_id", "allocated_at"],
    )
    for table, column in (
        ("allocations", "sequence"),
        ("vendor_stock", "stated_at"),
        ("vendor_stock", "counted"),
        ("vendor_stock", "allocated"),
        ("vendors", "retired"),
    ):
        op.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    if not is_sqlite:
        for table, column in (("vendor_stock", "as_of"), ("allocations", "allocated_at")):
            op.alter_column(table, column, server_default=None)

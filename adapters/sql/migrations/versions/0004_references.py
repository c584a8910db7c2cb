"""The retailer's references, and finding orders by when they changed."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
OLD_CODE_RUNS = True


def upgrade() -> None:
    op.add_column("orders", sa.Column("reference", sa.Text))
    op.create_index(
        "orders_reference",
        "orders",
        ["reference", "id"],
        postgresql_where=sa.text("reference IS NOT NULL"),
        sqlite_where=sa.text("reference IS NOT NULL"),
    )
    op.create_index("orders_updated_at", "orders", ["updated_at"])


def downgrade() -> None:
    """Forgets references."""
    op.drop_index("orders_updated_at", "orders")
    op.drop_index("orders_reference", "orders")
    op.execute("ALTER TABLE orders DROP COLUMN reference")

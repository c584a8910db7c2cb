"""The vendors of a product, the highest first: PostgreSQL finds the few it needs of many."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
OLD_CODE_RUNS = True


def upgrade() -> None:
    op.create_index(
        "vendor_stock_by_available",
        "vendor_stock",
        ["product_id", sa.text("available DESC"), "vendor_id"],
    )


def downgrade() -> None:
    op.drop_index("vendor_stock_by_available", "vendor_stock")

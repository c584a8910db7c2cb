"""When vendors expect more stock."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
OLD_CODE_RUNS = True

TIMESTAMP = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.add_column("vendor_stock", sa.Column("expected_at", TIMESTAMP))


def downgrade() -> None:
    """What vendors expect is lost, until they report it again."""
    op.drop_column("vendor_stock", "expected_at")

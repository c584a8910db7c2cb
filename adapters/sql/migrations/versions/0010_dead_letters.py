"""When messages were parked."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
OLD_CODE_RUNS = True

TIMESTAMP = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.add_column("parked_messages", sa.Column("parked_at", TIMESTAMP))


def downgrade() -> None:
    """Forgets when messages were parked."""
    op.execute("ALTER TABLE parked_messages DROP COLUMN parked_at")

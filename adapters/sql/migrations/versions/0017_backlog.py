"""How many orders waited, and for how long, sampled for the dashboard."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
OLD_CODE_RUNS = True


def upgrade() -> None:
    op.add_column("process_samples", sa.Column("reserved", sa.BigInteger))
    op.add_column("process_samples", sa.Column("oldest_wait", sa.Double))


def downgrade() -> None:
    op.drop_column("process_samples", "oldest_wait")
    op.drop_column("process_samples", "reserved")

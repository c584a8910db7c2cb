"""What each process has done, sampled for the dashboard."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
OLD_CODE_RUNS = True

TEXT_ID = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
TIMESTAMP = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "process_samples",
        sa.Column("at", TIMESTAMP, nullable=False),
        sa.Column("process_id", TEXT_ID, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("done", sa.BigInteger, nullable=False),
        sa.Column("refused", sa.BigInteger, nullable=False),
        sa.Column("p50", sa.Double),
        sa.Column("p99", sa.Double),
        sa.PrimaryKeyConstraint("at", "process_id", name="process_samples_pkey"),
        sa.CheckConstraint(
            "kind IN ('api', 'worker', 'relay', 'sync')", name="process_samples_kind_known"
        ),
        sa.CheckConstraint("done >= 0 AND refused >= 0", name="process_samples_figures_counted"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("process_samples")

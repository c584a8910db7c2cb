"""Which processes there are, and which earlier code may go on with the tables of a revision."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
# It takes no revision but its own to be ready.
OLD_CODE_RUNS = False

VERSION_TABLE = "order_aggregator_version"
TEXT_ID = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
TIMESTAMP = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.add_column(VERSION_TABLE, sa.Column("compatible_from", sa.Text))
    op.create_table(
        "processes",
        sa.Column("id", TEXT_ID, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("started_at", TIMESTAMP, nullable=False),
        sa.Column("last_seen", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("id", name="processes_pkey"),
        sa.CheckConstraint(
            "kind IN ('api', 'worker', 'relay', 'sync')", name="processes_kind_known"
        ),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("processes")
    op.execute(f"ALTER TABLE {VERSION_TABLE} DROP COLUMN compatible_from")

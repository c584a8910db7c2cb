"""Vendors declared here, how syncing them gets on, and requests that were carried out."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
OLD_CODE_RUNS = True

TIMESTAMP = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.add_column("vendors", sa.Column("entry", sa.Text))
    op.add_column("vendors", sa.Column("folder", sa.Text))
    op.add_column(
        "vendors", sa.Column("from_file", sa.Boolean, nullable=False, server_default=sa.false())
    )
    op.add_column(
        "vendors", sa.Column("enabled", sa.Boolean, nullable=False, server_default=sa.true())
    )
    op.add_column("vendors", sa.Column("attempted_at", TIMESTAMP))
    op.add_column("vendors", sa.Column("problem", sa.Text))
    op.add_column(
        "vendors",
        sa.Column(
            "failures",
            sa.Integer,
            sa.CheckConstraint(
                "(problem IS NULL) = (failures = 0)", name="vendors_failures_have_a_problem"
            ),
            nullable=False,
            server_default="0",
        ),
    )
    op.add_column("vendors", sa.Column("outdated", sa.Integer, nullable=False, server_default="0"))
    op.add_column("vendors", sa.Column("next_sync_at", TIMESTAMP))
    op.create_table(
        "idempotency_keys",
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("answer", sa.Text, nullable=False),
        sa.Column("used_at", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("scope", "key", name="idempotency_keys_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_index("idempotency_keys_used_at", "idempotency_keys", ["used_at"])


def downgrade() -> None:
    """Forgets declared vendors, disabled ones included, and idempotency keys for vendor stock."""
    op.drop_table("idempotency_keys")
    # A check needs the one column beside the other.
    for column in (
        "failures",
        "problem",
        "entry",
        "folder",
        "from_file",
        "enabled",
        "attempted_at",
        "outdated",
        "next_sync_at",
    ):
        op.execute(f"ALTER TABLE vendors DROP COLUMN {column}")

"""Webhooks and their deliveries."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
OLD_CODE_RUNS = True

TEXT_ID = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")
TIMESTAMP = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", TEXT_ID, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("secret", sa.Text, nullable=False),
        sa.Column("types", sa.Text, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False, server_default=sa.true()),
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("claimed_until", TIMESTAMP),
        sa.Column("problem", sa.Text),
        sa.PrimaryKeyConstraint("id", name="webhooks_pkey"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", ROW_ID, sa.Identity(), nullable=False),
        sa.Column("webhook_id", TEXT_ID, nullable=False),
        sa.Column("message_id", TEXT_ID, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("due_at", TIMESTAMP),
        sa.Column("problem", sa.Text),
        sa.PrimaryKeyConstraint("id", name="webhook_deliveries_pkey"),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhooks.id"], name="webhook_deliveries_webhook_id_fkey"
        ),
        sa.CheckConstraint("attempts >= 0", name="webhook_deliveries_attempts_not_negative"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "webhook_deliveries_webhook_id_due_at_id",
        "webhook_deliveries",
        ["webhook_id", "due_at", "id"],
    )
    op.create_index(
        "webhook_deliveries_message",
        "webhook_deliveries",
        ["webhook_id", "message_id"],
        unique=True,
    )


def downgrade() -> None:
    """Forgets webhooks, and what they have not been told yet."""
    op.drop_table("webhook_deliveries")
    op.drop_table("webhooks")

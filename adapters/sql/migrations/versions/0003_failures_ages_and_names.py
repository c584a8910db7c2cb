"""Failed attempts of orders, ages of messages, and whose name a product has."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
# It does not say when a message was created.
OLD_CODE_RUNS = False

TIMESTAMP = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    op.add_column("products", sa.Column("named_by", sa.Text))
    op.add_column(
        "orders",
        sa.Column(
            "failed_attempts",
            sa.Integer,
            sa.CheckConstraint("failed_attempts >= 0", name="orders_failed_attempts_not_negative"),
            nullable=False,
            server_default="0",
        ),
    )
    # Messages that wait already count as created now.
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    op.add_column("outbox", sa.Column("created_at", TIMESTAMP, nullable=False, server_default=now))
    if op.get_context().dialect.name == "postgresql":
        op.alter_column("outbox", "created_at", server_default=None)
    op.create_table(
        "outbox_alarm",
        sa.Column("id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("raised_at", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("id", name="outbox_alarm_pkey"),
        sa.CheckConstraint("id = 1", name="outbox_alarm_one_row"),
    )


def downgrade() -> None:
    """Forgets failed attempts and the ages of messages."""
    op.drop_table("outbox_alarm")
    for table, column in (
        ("outbox", "created_at"),
        ("orders", "failed_attempts"),
        ("products", "named_by"),
    ):
        # By statements of SQL: Alembic would have SQLite build the tables anew.
        op.execute(f"ALTER TABLE {table} DROP COLUMN {column}")

"""API tokens, and the audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
# It would let anyone in.
OLD_CODE_RUNS = False

TIMESTAMP = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "access_tokens",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("scopes", sa.Text, nullable=False),
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.Column("expires_at", TIMESTAMP),
        sa.Column("last_used_at", TIMESTAMP),
        sa.Column("revoked_at", TIMESTAMP),
        sa.Column("of_demo", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("id", name="access_tokens_pkey"),
        sa.CheckConstraint("length(digest) = 64", name="access_tokens_digest_not_the_token"),
        sa.CheckConstraint("expires_at > created_at", name="access_tokens_expires_later"),
        sqlite_with_rowid=False,
    )
    op.create_index("access_tokens_digest", "access_tokens", ["digest"], unique=True)
    op.create_table(
        "audit_log",
        sa.Column("id", ROW_ID, sa.Identity(), nullable=False),
        sa.Column("at", TIMESTAMP, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("actor_name", sa.Text, nullable=False),
        sa.Column("operation", sa.Text, nullable=False),
        sa.Column("path", sa.Text),
        sa.Column("target", sa.Text),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("request_id", sa.Text),
        sa.PrimaryKeyConstraint("id", name="audit_log_pkey"),
        sqlite_autoincrement=True,
    )
    op.create_index("audit_log_at", "audit_log", ["at"])


def downgrade() -> None:
    """All tokens are lost, and the audit log."""
    op.drop_table("audit_log")
    op.drop_table("access_tokens")

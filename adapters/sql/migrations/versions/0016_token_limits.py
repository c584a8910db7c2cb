"""Rates and daily quotas of single tokens, and what audit entries say more."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
# It lets tokens ask as often as all others, counts nothing, and says less.
OLD_CODE_RUNS = True

TOKENS = "access_tokens"


def upgrade() -> None:
    quota = sa.CheckConstraint("daily_quota > 0", name="access_tokens_daily_quota_positive")
    used = sa.CheckConstraint("used >= 0", name="access_tokens_used_not_negative")
    op.add_column(TOKENS, sa.Column("rate_limit", sa.Text))
    op.add_column(TOKENS, sa.Column("daily_quota", sa.BigInteger, quota))
    op.add_column(TOKENS, sa.Column("used_on", sa.Text))
    op.add_column(
        TOKENS, sa.Column("used", sa.BigInteger, used, nullable=False, server_default="0")
    )
    op.add_column("audit_log", sa.Column("detail", sa.Text))


def downgrade() -> None:
    """Forgets the rates and quotas of tokens (all have those of everybody) and audit details."""
    op.execute("ALTER TABLE audit_log DROP COLUMN detail")
    for column in ("rate_limit", "daily_quota", "used_on", "used"):
        op.execute(f"ALTER TABLE {TOKENS} DROP COLUMN {column}")

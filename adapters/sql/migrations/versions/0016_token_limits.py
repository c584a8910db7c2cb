"""Rates and daily quotas of single tokens, and what audit entries say more."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
# It lets tokens ask as often as all others, counts nothing, and says less.
OLD_CODE_RUNS = True

TOKENS = "access_tokens"
# Each column may be looked at by the check that comes with it: SQLite adds none later.
COLUMNS = {
    "rate_requests": (
        sa.Integer,
        {"rate_requests_in_range": "rate_requests BETWEEN 1 AND 1000000"},
    ),
    "rate_seconds": (
        sa.Integer,
        {
            "rate_seconds_in_range": "rate_seconds BETWEEN 1 AND 86400",
            "whole_rate": "(rate_requests IS NULL) = (rate_seconds IS NULL)",
        },
    ),
    "daily_quota": (
        sa.BigInteger,
        {"daily_quota_in_range": "daily_quota BETWEEN 1 AND 1000000000"},
    ),
    "used_on": (sa.Text, {"used_on_a_day": "used_on LIKE '____-__-__'"}),
}


def upgrade() -> None:
    for name, (kind, checks) in COLUMNS.items():
        rules = [sa.CheckConstraint(rule, f"{TOKENS}_{told}") for told, rule in checks.items()]
        op.add_column(TOKENS, sa.Column(name, kind, *rules))
    used = sa.CheckConstraint("used >= 0", name="access_tokens_used_not_negative")
    op.add_column(
        TOKENS, sa.Column("used", sa.BigInteger, used, nullable=False, server_default="0")
    )
    op.add_column("audit_log", sa.Column("detail", sa.Text))


def downgrade() -> None:
    """Forgets the rates and quotas of tokens (all have those of everybody) and audit details."""
    op.execute("ALTER TABLE audit_log DROP COLUMN detail")
    # The one whose check looks at another first.
    for column in ("rate_seconds", "rate_requests", "daily_quota", "used_on", "used"):
        op.execute(f"ALTER TABLE {TOKENS} DROP COLUMN {column}")

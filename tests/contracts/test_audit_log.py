"""AuditLog: what every adapter promises."""

from __future__ import annotations

from order_aggregator.testing.audit_log import *  # noqa: F403 - the suite

"""IdempotencyKeys: what every adapter promises."""

from __future__ import annotations

from order_aggregator.testing.idempotency_keys import *  # noqa: F403 - the suite

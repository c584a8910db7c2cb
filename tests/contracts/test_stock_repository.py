"""Stock repository: what every adapter promises."""

from __future__ import annotations

from order_aggregator.testing.stock_repository import *  # noqa: F403 - the suite

"""Order repository: what every adapter promises."""

from __future__ import annotations

from order_aggregator.testing.order_repository import *  # noqa: F403 - the suite

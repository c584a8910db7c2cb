"""Looking back: what every storage promises."""

from __future__ import annotations

from order_aggregator.testing.histories import *  # noqa: F403 - the suite

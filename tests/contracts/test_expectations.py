"""When vendors expect more: what every storage promises."""

from __future__ import annotations

from order_aggregator.testing.expectations import *  # noqa: F403 - the suite

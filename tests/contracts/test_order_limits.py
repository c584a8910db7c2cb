"""Limits of orders: what every storage promises."""

from __future__ import annotations

from order_aggregator.testing.order_limits import *  # noqa: F403 - the suite
